# SPDX-License-Identifier: Apache-2.0
"""Lets a policy learn from its own simulator alone: a second publisher is named, its messages are dropped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rclpy.node import Node

from td3_driving.nodes.ros.senders import sender_of
from td3_driving.nodes.training.census import publishers
from td3_driving.nodes.training.intruders import Intruders
from td3_driving.trust.sources import PROCESS, TopicSource, Whose


class SoleSenders:
    """One publisher per topic.

    Args:
        node: whose view of the graph is used.
        intruders: gets who else publishes.
        on_fault: gets why the episode is unusable.
    """

    def __init__(self, node: Node, intruders: Intruders, on_fault: Callable[[str], None]) -> None:
        self._node, self._intruders, self._on_fault = node, intruders, on_fault
        self._sources: dict[str, TopicSource] = {}
        self._events: dict[bytes, bool] = {}

    def takes(self, topic: str, info: Mapping[str, Any], driving: bool) -> bool:
        """Whether to use a message of a topic on which every frame brings one; ``driving``: an episode goes on."""
        guid = sender_of(info)
        source = self._sources.setdefault(topic, TopicSource())
        verdict = source.judge(guid)
        for stranger in source.pop_strangers():
            self._report(topic, stranger)
        if verdict is Whose.CHANGED and driving:
            self._on_fault(f"{self._intruders.senders.text(topic, guid)} publishes on {topic}, another than before")
            return False
        return verdict is not Whose.STRANGER

    def takes_event(self, topic: str, info: Mapping[str, Any]) -> bool:
        """Whether to use a message of a topic on which messages are rare."""
        guid = sender_of(info)
        processes = {source.publisher[:PROCESS] for source in self._sources.values() if source.publisher}
        if guid is None or guid[:PROCESS] in processes or not processes:
            return True
        if guid not in self._events:
            self._events[guid] = not any(end.bytes[:PROCESS] in processes for end in publishers(self._node, topic))
            if not self._events[guid]:
                self._report(topic, guid)
        return self._events[guid]

    def _report(self, topic: str, guid: bytes) -> None:
        self._intruders.suspect(topic, guid)
        self._on_fault(f"{self._intruders.senders.text(topic, guid)} publishes on {topic} too")
