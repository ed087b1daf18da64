# SPDX-License-Identifier: Apache-2.0
"""``td3-driving view``: a recorded run or drive on a live page."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from td3_driving.bags.reading import Bag, BagError, bag_of
from td3_driving.doctor.bag import unreadable
from td3_driving.doctor.command_line import CommandParser
from td3_driving.launching.page_of_command import live_page, stay
from td3_driving.live.needs import require_sdk
from td3_driving.processes.exit_codes import BAD_INPUT, INTERRUPTED
from td3_driving.sim.roads import load_map

if TYPE_CHECKING:
    from td3_driving.live.intake import Intake

RATE = 5.0
"""Images and scenes per recorded second [1/s]."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Show a bag until a person ends it.

    Returns:
        0; 2 for input that cannot be used; 130 where a person stopped the reading.
    """
    asked = _parser().parse_args(arguments)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        require_sdk()
        with Bag(bag_of(asked.recording)) as bag, live_page(True, console, port=asked.port) as server:
            assert server is not None
            # Only now: the SDK is an extra.
            from td3_driving.live.intake import Intake

            server.page.at(0.0, 0)
            server.page.lanes(lanes_of(bag))
            console.print(f"{fill(bag, Intake(server.page, RATE, asked.actor), asked.actor)} messages read")
            if bag.unread:
                console.print(unreadable(bag.unread, bag.path))
            stay(server, console)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    return 0


def lanes_of(bag: Bag) -> list[NDArray[np.float64]]:
    """Borders of the lanes of the map that the recorded run drove on; none where it is not known or has several."""
    try:
        roads = load_map(bag.settings().simulator.map)
    except (BagError, ValueError, OSError):
        return []
    return [border for lane in roads.lanes for border in lane.edges()]


def fill(bag: Bag, intake: Intake, actor: str) -> int:
    """Show the messages of one actor, and those that all share; the number of messages.

    Raises:
        BagError: the bag breaks off.
        ValueError: the data of a message do not fit together.
    """
    count = 0
    for recorded in bag.messages(set(intake.names)):
        if recorded.space in ("", f"/{actor}"):
            intake.take(recorded.name, recorded.message, recorded.time_ns * 1e-9)
            count += 1
    return count


def _parser() -> CommandParser:
    parser = CommandParser("td3-driving view", description="Show a recorded run or drive on a live page.")
    parser.add_argument("recording", type=Path, metavar="BAG_OR_RUN", help="folder of a bag, or of a run with one")
    parser.add_argument(
        "--actor", default="actor_0", help="of a run with several actors, the one to show (%(default)s)"
    )
    parser.add_argument("--port", type=int, default=0, help="of the page on this machine (a free one)")
    return parser
