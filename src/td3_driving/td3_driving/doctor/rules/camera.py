# SPDX-License-Identifier: Apache-2.0
"""Whether the policy needs its camera, by the record of the drives at the end of the run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from td3_driving.doctor.aliases import TAGS
from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.findings import PROVEN, Finding, Severity, found_by
from td3_driving.doctor.rule import Rule
from td3_driving.doctor.scalars import Scalar

FILE = "evaluation.json"
NEED = "needs_its_camera"
"""Key by which a record of this program is known."""
LARGEST = 2**20
"""Bytes of a record that is read."""
ANSWERS = {"yes": 1.0, "no": 0.0}
"""Values of ``final_needs_camera``; where the drives could not tell, it is absent."""


class CameraIgnored(Rule):
    """A policy that does not need its camera.

    Condition: the drives at the end of the run score no less with a black camera than chance explains; evaluation.json
    then answers needs_its_camera with no.
    Meaning: The policy drives as well without its camera: it goes by the state vector alone.
    Refuted by: routes or traffic on which its score falls when the camera is black
    Example: Driving score 81.2 with its camera, 80.9 with a black one.
    """

    id = "camera-ignored"
    confidences: ClassVar = {"camera_ignored": PROVEN}
    needs = ("final_score", "final_score_blind", "final_needs_camera")

    def missing(self) -> str:
        return "the run has no final drives that could tell (evaluation.final_routes)" if super().missing() else ""

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        if self.missing():
            return []
        score, blind = self.history.last("final_score"), self.history.last("final_score_blind")
        point = self.history.get("final_needs_camera").last
        assert score is not None and blind is not None and point is not None
        text = f"driving score {score:.1f} with its camera, {blind:.1f} with a black one"
        if point.value > 0.0:
            meaning = "The policy drives by its camera."
            return [self.find(Severity.INFO, point.step, text, meaning=meaning, seen=score, black=blind)]
        return [self.find(Severity.WARN, point.step, text, ("camera_ignored",), seen=score, black=blind)]


def camera_note(findings: Iterable[Finding]) -> str:
    """The sentence that comes first if the camera is ignored; empty if not."""
    ignored = [one for one in found_by(findings, CameraIgnored.id) if one.severity is Severity.WARN]
    return "".join(f"The policy does NOT need its camera: {one.evidence}. " for one in ignored)


def final_samples(folder: Path) -> list[Scalar]:
    """The results of the drives at the end of the run in ``folder``, as samples; none if there were no drives.

    Raises:
        Unusable: the record is ours, and damaged.
    """
    record = _record(folder / FILE)
    try:
        return [] if record is None else _samples(record)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise Unusable(f"{folder / FILE} is a damaged record of final drives: {error!r}") from error


def _record(path: Path) -> dict[str, Any] | None:
    """The record, or ``None`` where there is none: other programs may leave a file of that name beside their runs."""
    if not path.is_file() or path.stat().st_size > LARGEST:
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and NEED in record else None


def _samples(record: dict[str, Any]) -> list[Scalar]:
    step, wall, need = int(record["step"]), float(record["finished"]), record[NEED]
    metrics = record["metrics"]
    values = {"final_score": float(metrics["driving_score"]), "final_success": float(metrics["success_rate"])}
    if "routes" in record:
        values["final_routes"] = float(record["routes"])
    if need["answer"] in ANSWERS:
        values["final_needs_camera"] = ANSWERS[need["answer"]]
        values["final_score_low"] = float(need["interval"][0])
        blind = [float(score) for name, score in need["driving_scores"].items() if name != "seen"]
        values["final_score_blind"] = max(blind)
    if not all(map(math.isfinite, (wall, *values.values()))):
        raise ValueError("a number is not finite")
    return [Scalar(TAGS[name][0], step, value, wall) for name, value in values.items()]
