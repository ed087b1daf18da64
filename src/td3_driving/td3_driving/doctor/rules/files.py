# SPDX-License-Identifier: Apache-2.0
"""A rule about the files that a run goes on from: its replay memory and its checkpoints."""

from __future__ import annotations

from typing import ClassVar, Iterable

from td3_driving.doctor.findings import PROVEN, Finding, Severity
from td3_driving.doctor.rule import Rule
from td3_driving.doctor.watches import FILES


class DamagedFiles(Rule):
    """Files of a run that were damaged when it was continued, or steps that were lost on the way to its memory.

    Condition: the learner left out frames of its replay memory when it opened it, passed over damaged checkpoints, or
    lost steps that the policy could not send again, with `pacing.mode=strict`; or a file that the doctor reads is not
    as it was written, by its checksum.
    Meaning: Part of what the run had gathered is lost; it is not the run that its settings describe.
    Refuted by: a run of the same settings that was never continued from damaged files
    Example: 2,599 of 2,600 frames left out, because frames.u8 was cut to 1,000 bytes.
    """

    id = "damaged-files"
    sections = ("training_phase",)
    status = FILES
    confidences: ClassVar = {"files_damaged": PROVEN}
    needs = ("replay_left_out",)

    def missing(self) -> str:
        return "" if self.history.faults else super().missing()

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        parts: list[str] = []
        numbers: dict[str, float] = {}
        first: float | None = None
        for name, words in (
            ("replay_left_out", "frame(s) of the replay memory left out"),
            ("checkpoints_passed_over", "damaged checkpoint(s) passed over"),
            ("replay_gone", "step(s) lost for good on their way to the replay memory"),
        ):
            steps, values, _ = self.history.get(name).columns()
            hit = [step for step, value in zip(steps, values) if value > 0]
            if hit:
                numbers[name] = float(max(values))
                parts.append(f"{numbers[name]:,.0f} {words}")
                first = float(hit[0]) if first is None else min(first, float(hit[0]))
        parts += self.history.faults
        if not parts:
            return []
        return [self.find(Severity.INSUFFICIENT, first, "; ".join(parts), ("files_damaged",), "", **numbers)]
