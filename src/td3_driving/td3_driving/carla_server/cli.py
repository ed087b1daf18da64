# SPDX-License-Identifier: Apache-2.0
"""``td3-driving carla-server``: a stand-in for a CARLA server, for development and CI without a GPU."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import logging
import signal
import sys
from collections.abc import Sequence

from td3_driving.carla_server.records import VERSION
from td3_driving.carla_server.server import Server
from td3_driving.carla_server.town import Towns, short
from td3_driving.doctor.command_line import CommandParser
from td3_driving.runs.refusals import refuse
from td3_driving.sim.camera import CameraError
from td3_driving.sim.roads import MapError


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM.

    Returns:
        0; 2 for a map, an address or a renderer that cannot be used.
    """
    asked = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.DEBUG if asked.verbose else logging.INFO, format="%(levelname)s: %(message)s")
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    try:
        asyncio.run(_serve(asked))
    except (MapError, OSError, ImportError, CameraError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            error = OSError(f"port {asked.port} or {asked.port + 1} of {asked.host} is taken; --port names another")
        return refuse(error)
    return 0


def _parser() -> CommandParser:
    parser = CommandParser("td3-driving carla-server", description=__doc__)
    add = parser.add_argument
    add(
        "--host",
        default="127.0.0.1",
        help="address to listen on; any other than the loopback lets others in (%(default)s)",
    )
    add("--port", type=_port, default=2000, help="of the calls; the streams are on the next one (%(default)s)")
    add(
        "--map",
        action="append",
        default=[],
        metavar="MAP",
        help="straight, curves, town, roundabout, drawn:SEED or a path; more may be given, the first is shown (town)",
    )
    add("--verbose", action="store_true", help="say which calls were refused, and why")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= 65534:
        raise argparse.ArgumentTypeError(f"{text} is not in 0 .. 65534")
    return int(text)


async def _serve(asked: argparse.Namespace) -> None:
    names = asked.map or ["town"]
    server = await Server.start(Towns(names), short(names[0]), asked.host, asked.port)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
    town = server.simulation.episode.town.short
    print(f"CARLA {VERSION} stand-in on {asked.host}:{server.port}, map {town}; Ctrl-C ends it", flush=True)
    await ended.wait()
    await server.close()


if __name__ == "__main__":
    sys.exit(main())
