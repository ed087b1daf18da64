# SPDX-License-Identifier: Apache-2.0
"""A bag in memory with what the sensors and the policy said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from td3_driving.bags.reading import BagMessage
from td3_driving.driving import topics
from td3_driving.nodes.ros.conversions import experience_message

from .recorded_drive import Drive

NAMES = {
    **{"image": topics.IMAGE, "odometry": topics.ODOMETRY, "command": topics.COMMAND, "collision": topics.COLLISION},
    **{"start": topics.EPISODE_START, "reward": topics.REWARD, "summary": topics.EPISODE, "objects": topics.OBJECTS},
}


class SensorBag:
    """The messages of ``drive``, or those that were ``heard`` of them, on the topics of a run.

    Args:
        objects: topic of the object lists.
        told: whether the bag says who sent what.
    """

    path = Path("memory")

    def __init__(
        self,
        drive: Drive,
        heard: Sequence[tuple[str, Any]] | None = None,
        objects: str = topics.OBJECTS,
        told: bool = True,
    ) -> None:
        self.told = told
        names = NAMES | {"objects": objects}
        self._heard = []
        for topic, message in drive.heard if heard is None else heard:
            if topic == "replay":
                self._heard.append(BagMessage("", topics.REPLAY, experience_message(message, 0)))
            else:
                self._heard.append(BagMessage("", names[topic], message, 0, message.process if told else b""))

    def names(self) -> set[str]:
        """Topics with messages."""
        return {heard.name for heard in self._heard}

    def messages(self, names: set[str]) -> Iterator[BagMessage]:
        """The messages of ``names``."""
        return (heard for heard in self._heard if heard.name in names)
