# SPDX-License-Identifier: Apache-2.0
"""Rules about who else was in the ROS graph of a run."""

from __future__ import annotations

from typing import Iterable

from td3_driving.doctor.findings import Finding, Severity
from td3_driving.doctor.history import History, Row
from td3_driving.doctor.rule import Rule


class ForeignWriter(Rule):
    """Somebody else published on the topics of the run.

    Condition: a publisher that does not own its topic, or a message without the seal of the run.
    Meaning: A stranger shared the ROS domain: what it sent was refused where it could be, but commands, images and
    pauses of the simulator carry no seal.
    Refuted by: a tool of your own that was started on purpose; run it in another domain, or after the run
    Example: 1 publisher that does not own its topic and 348 refused messages, first at step 120: /stranger (GUID …)
    published on /carla/control.
    """

    id = "foreign-writer"
    sections = ("environment",)
    alert = "foreign_writer"
    reads = ("second_writers", "strangers")

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.first_step: float | None = None
        self.highest = dict.fromkeys(self.reads, 0.0)

    def feed(self, row: Row) -> None:
        for name in self.reads:
            value = row.values.get(name, 0.0)
            if value > 0.0:
                self.first_step = row.step if self.first_step is None else self.first_step
                self.highest[name] = max(self.highest[name], value)

    def missing(self) -> str:
        return "" if any(self.history.has(name) for name in self.reads) else "no account of the ROS graph"

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        if self.first_step is None:
            return []
        writers, refused = (self.highest[name] for name in self.reads)
        text = (
            f"{writers:.0f} publisher(s) that do not own their topic and {refused:.0f} refused message(s), "
            f"first at step {self.first_step:,.0f}"
        )
        text += f": {self.history.who}" if self.history.who else ""
        return [self.find(Severity.CRITICAL, self.first_step, text, ("foreign_writer",), writers=writers)]
