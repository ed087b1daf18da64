# SPDX-License-Identifier: Apache-2.0
"""The diagnosis for programs."""

from __future__ import annotations

import json
import math
from typing import Any

from td3_driving.doctor.compare import Against, comparison
from td3_driving.doctor.diagnosis import Diagnosis
from td3_driving.doctor.findings import Finding
from td3_driving.doctor.reference_shelf import Placement, placed
from td3_driving.doctor.section_tables import coverage
from td3_driving.doctor.summary import HEALTH, driven


def json_report(diagnosis: Diagnosis, against: Against | None = None) -> str:
    """The JSON text: verdict, causes in rank order, refuted ones, findings, coverage, statistics."""
    return json.dumps(_clean(as_mapping(diagnosis, against)), indent=2, ensure_ascii=False) + "\n"


def as_mapping(diagnosis: Diagnosis, against: Against | None = None) -> dict[str, Any]:
    """What :func:`json_report` writes."""
    source, history = diagnosis.source, diagnosis.history
    report: dict[str, Any] = {
        "verdict": diagnosis.verdict.value,
        "run": {
            "name": source.name,
            "path": source.path,
            "files": list(source.files),
            "scalars": source.scalars,
            "damage": source.damage,
        },
        "algorithm": {"name": diagnosis.scope.name, "family": diagnosis.scope.family},
        "training": HEALTH[diagnosis.verdict].removeprefix("training "),
        "drives": driven(diagnosis).removeprefix("Drives: ") or None,
        "learning": _learning(diagnosis),
        "warnings": [f"{finding.rule}: {finding.evidence}" for finding in diagnosis.warnings],
        "causes": [
            {
                "cause": cause.cause,
                "confidence": cause.confidence,
                "rules": list(cause.rules),
                "evidence": cause.evidence,
            }
            for cause in diagnosis.causes
        ],
        "evidence_warnings": [cause.cause for cause in diagnosis.evidence_warnings],
        "refuted": [{"cause": item.cause, "evidence": item.evidence} for item in diagnosis.refuted],
        "insufficient": diagnosis.insufficient,
        "findings": [_finding(finding) for finding in diagnosis.findings],
        "rules": [{"rule": item.rule, "status": item.status, "reason": item.reason} for item in diagnosis.outcomes],
        "coverage": coverage(history),
        "shelf": [_placement(placement) for placement in placed(history)],
        "asked": source.asked,
        "regimes": [{"name": name, "from": low, "to": high} for name, low, high in history.phases()],
        "statistics": {name: _statistics(diagnosis, name) for name in sorted(history.series)},
        "unknown_tags": sorted(history.unknown),
    }
    if against is not None:
        report["against"] = {
            "run": against.source.name,
            "verdict": against.verdict.value,
            "rows": comparison(diagnosis, against),
        }
    return report


def _learning(diagnosis: Diagnosis) -> dict[str, Any]:
    learning = diagnosis.learning
    return {
        "verdict": learning.kind.value,
        "sentence": learning.sentence,
        "by": learning.curve.name if learning.curve else None,
        "too_early": learning.early,
        "numbers": {name: float(value) for name, value in learning.numbers.items()},
    }


def _placement(placement: Placement) -> dict[str, Any]:
    return {
        "quantity": placement.band.quantity,
        "inside": placement.inside,
        "sentence": placement.sentence,
        "values": placement.values.tolist(),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "first_step": finding.first_step,
        "evidence": finding.evidence,
        "meaning": finding.meaning,
        "refuted_by": finding.refuted_by,
        "causes": list(finding.causes),
        "numbers": finding.numbers,
    }


def _statistics(diagnosis: Diagnosis, name: str) -> dict[str, Any]:
    series = diagnosis.history.get(name)
    points = {"first": series.first, "last": series.last, "max": series.highest, "min": series.lowest}
    values = {key: None if point is None else point.value for key, point in points.items()}
    return {
        "points": series.count,
        "mean": series.mean,
        "median": series.median(),
        "std": series.std,
        **values,
        "nonfinite": series.nonfinite,
    }


def _clean(node: Any) -> Any:
    """JSON knows no NaN: ``null`` instead."""
    if isinstance(node, dict):
        return {key: _clean(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_clean(value) for value in node]
    return None if isinstance(node, float) and not math.isfinite(node) else node
