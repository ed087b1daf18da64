"""Rule about the camera: 46. It reads what the drives at the end of a run left in the run folder."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from td3_driving.doctor.aliases import TAGS
from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.event_file import Scalar
from td3_driving.doctor.findings import Finding, Rule, Severity

FILE = "evaluation.json"
NEED = "needs_its_camera"
"""Key by which a record of this program is known."""
LARGEST = 2**20
"""Bytes of a record that is read."""
ANSWERS = {"yes": 1.0, "no": 0.0}
"""Values of ``final_needs_camera``; where the drives could not tell, it is absent."""


class CameraIgnored(Rule):
    """Rule 46."""

    id = 46
    title = "camera ignored"
    meaning = "The policy drives as well without its camera: it goes by the state vector alone."
    refuted_by = "routes or traffic on which its score falls when the camera is black"
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
    """The sentence that stands before all others where the camera is ignored, else nothing."""
    ignored = [one for one in findings if one.rule == CameraIgnored.id and one.severity is Severity.WARN]
    return "".join(f"The policy does NOT need its camera: {one.evidence}. " for one in ignored)


def final_samples(folder: Path) -> list[Scalar]:
    """What the drives at the end of the run in ``folder`` came to, as samples; none where there were no drives.

    Raises:
        Unusable: the record is one that this program writes, and damaged.
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
    if need["answer"] in ANSWERS:
        values["final_needs_camera"] = ANSWERS[need["answer"]]
        values["final_score_low"] = float(need["interval"][0])
        blind = [float(score) for name, score in need["driving_scores"].items() if name != "seen"]
        values["final_score_blind"] = max(blind)
    if not all(map(math.isfinite, (wall, *values.values()))):
        raise ValueError("a number is not finite")
    return [Scalar(TAGS[name][0], step, value, wall) for name, value in values.items()]
