# SPDX-License-Identifier: Apache-2.0
"""``td3-driving train --staged``: starts a longer stage only after the run doctor's GO for the one before.

All stages are one run in one folder. ``RUN/stages.json`` holds the verdict of each stage, ``RUN/stages/`` its reports.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile
from pathlib import Path

from td3_driving.doctor.diagnosis import Verdict
from td3_driving.launching.prepare import RunRequest, resolve
from td3_driving.runs.disk import write_whole
from td3_driving.settings import StagedSettings

RECORD = "stages.json"
REPORTS = ("report.html", "report.json", "report.md", "evaluation.json")


@dataclass(frozen=True)
class StageOutcome:
    """The end of one stage's run.

    Attributes:
        code: exit code of the run; 0 when it went well, whatever the verdict.
        folder: of the run.
    """

    code: int
    folder: Path


@dataclass(frozen=True)
class StagePlan:
    """The stages of one run.

    Attributes:
        request: as for a run without stages; ``run.steps`` is left to the plan.
        folder: of the run.
        lengths: environment steps at the end of each stage, growing.
        passed: those of them that have their GO already.
    """

    request: RunRequest
    folder: Path
    lengths: tuple[int, ...]
    passed: frozenset[int] = frozenset()

    @classmethod
    def of(cls, request: RunRequest, now: datetime) -> StagePlan:
        """Make the plan from the settings of ``request``.

        Raises:
            ValueError: there are no such settings, the request names its own length, or the record cannot be read.
        """
        if any(word.split("=")[0].strip() == "run.steps" for word in request.assignments):
            raise ValueError("the plan decides the number of steps; change it with --set staged.first=STEPS and so on")
        settings, folder = resolve(request, now)
        return cls(request, folder, lengths(settings.staged), _passed(folder) if request.resume else frozenset())

    def carry_out(self, train: Callable[[RunRequest], StageOutcome], say: Callable[[str], None]) -> int:
        """Run the stages that have no GO yet; ``train`` carries out one, verdict included.

        Returns:
            0: every stage has its GO. 3, 4: the doctor said NO-GO or INSUFFICIENT. Else the code of a failed run.
        """
        for number, steps in enumerate(self.lengths, start=1):
            title = f"stage {number} of {len(self.lengths)}, to {steps:,} steps"
            if steps in self.passed:
                say(f"{title}: has its GO")
                continue
            say(title)
            outcome = train(self._stage(steps))
            if outcome.code:
                return outcome.code
            verdict = _judge(self.folder, steps)
            say(f"{title}: {verdict.value}")
            if verdict is not Verdict.GO:
                say(f"the plan stops here; see {self.folder / 'report.html'}")
                return verdict.exit_code
        return 0

    def _stage(self, steps: int) -> RunRequest:
        """Train one stage; every stage after the first resumes the run."""
        going_on = self.request.resume or (self.folder / RECORD).is_file()
        assignments = (*self.request.assignments, f"run.steps={steps}")
        return replace(self.request, assignments=assignments, run_directory=str(self.folder), resume=going_on)


def lengths(plan: StagedSettings) -> tuple[int, ...]:
    """Environment steps at the end of each stage; the first 0 ends the plan."""
    return tuple(takewhile(bool, (plan.first, plan.second, plan.third, plan.fourth)))


def _judge(folder: Path, steps: int) -> Verdict:
    """Record and return the verdict of the run's report; without a report the run is not judged."""
    verdict = _verdict(folder / "report.json")
    kept = folder / "stages" / str(steps)
    kept.mkdir(parents=True, exist_ok=True)
    for name in REPORTS:
        if (folder / name).is_file():
            shutil.copy2(folder / name, kept / name)
    record = [entry for entry in _record(folder) if entry["steps"] != steps]
    text = json.dumps([*record, {"steps": steps, "verdict": verdict.value}], indent=2)
    write_whole(folder / RECORD, f"{text}\n".encode())
    return verdict


def _verdict(report: Path) -> Verdict:
    try:
        return Verdict(json.loads(report.read_text(encoding="utf-8"))["verdict"])
    except (OSError, ValueError, KeyError, TypeError):
        return Verdict.INSUFFICIENT


def _passed(folder: Path) -> frozenset[int]:
    return frozenset(int(entry["steps"]) for entry in _record(folder) if entry["verdict"] == Verdict.GO.value)


def _record(folder: Path) -> list[dict[str, str | int]]:
    path = folder / RECORD
    if not path.is_file():
        return []
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return [{"steps": int(entry["steps"]), "verdict": str(entry["verdict"])} for entry in entries]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not the record of stages that this program writes") from error
