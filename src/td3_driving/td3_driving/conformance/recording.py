# SPDX-License-Identifier: Apache-2.0
"""The record of an experiment on a running graph, judged afterwards. No ROS in here: messages are read by field."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from td3_driving.driving.decoding import nanoseconds


@dataclass(frozen=True, slots=True)
class Heard:
    """A message.

    Attributes:
        topic: as in the contract, ``E/…`` for those of the vehicle.
        sent_ns: when its publisher sent it, by the clock of the machine [ns]: the order of publication.
        wall: when it was taken, monotonic [s].
        message: its fields.
    """

    topic: str
    sent_ns: int
    wall: float
    message: Any

    @property
    def stamp(self) -> int:
        """Simulated time [ns]: of the header, or the clock itself."""
        header = getattr(self.message, "header", None)
        return nanoseconds(self.message.clock if header is None else header.stamp)


@dataclass(frozen=True, slots=True)
class Sent:
    """A command, and the stamp of the newest complete frame when it was sent [ns]."""

    command: Any
    answers: int
    wall: float


@dataclass
class Stretch:
    """The messages heard and sent during one experiment, in the order of sending.

    Attributes:
        facts: the experiment's own findings: answers of services, moments, counts.
    """

    heard: list[Heard] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def of(self, topic: str) -> list[Heard]:
        """Messages of one topic in the order in which they were sent."""
        return sorted((heard for heard in self.heard if heard.topic == topic), key=lambda heard: heard.sent_ns)

    def by_stamp(self, topic: str) -> dict[int, Heard]:
        """Messages of one topic by their stamp [ns]; of several with one stamp, the last."""
        return {heard.stamp: heard for heard in self.of(topic)}

    def frames(self) -> list[int]:
        """Stamps of the frames, ascending: those of the odometry."""
        return sorted(self.by_stamp("E/odometry"))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Another node's publisher or subscription."""

    kind: str
    reliable: bool
    durability: str


@dataclass
class Graph:
    """Endpoints by topic, and service types by name."""

    publishers: dict[str, list[Endpoint]] = field(default_factory=dict)
    subscriptions: dict[str, list[Endpoint]] = field(default_factory=dict)
    services: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Recording:
    """The input of all checks.

    Attributes:
        role: role name of the vehicle.
        stretches: by the name of the experiment.
    """

    role: str = "ego_vehicle"
    graph: Graph = field(default_factory=Graph)
    stretches: dict[str, Stretch] = field(default_factory=dict)

    def __getitem__(self, experiment: str) -> Stretch:
        return self.stretches.get(experiment, Stretch())
