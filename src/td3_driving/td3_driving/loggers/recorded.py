# SPDX-License-Identifier: Apache-2.0
"""What a run left in its folder, as every logger gets it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from td3_driving.doctor.event_file import FILE_MARK, read_scalars
from td3_driving.doctor.scalars import ReadReport
from td3_driving.runs.run_folder import earlier_settings

REPORTS = ("report.html", "report.md", "report.json", "evaluation.json", "config.yaml", "manifest.json")
"""Files of a run that are worth keeping beside its series, where there are any."""


@dataclass(frozen=True)
class LoggedRun:
    """A run.

    Attributes:
        folder: the run folder, absolute.
        settings: ``group.name`` -> value.
        points: environment step -> tag -> value, steps rising. Of two values of a tag at a step the later one.
        walls: wall time [s] of each step.
        results: numbers at the end: those of the final drives, and the verdict.
    """

    folder: Path
    settings: Mapping[str, Any]
    points: Mapping[int, Mapping[str, float]]
    walls: Mapping[int, float]
    results: Mapping[str, float | str]


def recorded(folder: Path) -> LoggedRun:
    """Read a run folder.

    Raises:
        RunFolderError, SettingsError: it holds no run.
        Unusable: an event file cannot be read.
    """
    folder = folder.resolve()
    settings = earlier_settings(folder).flat()
    points: dict[int, dict[str, float]] = {}
    walls: dict[int, float] = {}
    for file in sorted(folder.glob(f"*{FILE_MARK}*")):
        for tag, step, value, wall in read_scalars(file, ReadReport(str(file))) if file.stat().st_size else ():
            points.setdefault(step, {})[tag] = value
            walls[step] = wall
    in_order = {step: points[step] for step in sorted(points)}
    return LoggedRun(folder, settings, in_order, walls, _results(folder))


def _results(folder: Path) -> dict[str, float | str]:
    verdict = _document(folder / "report.json").get("verdict", "not judged")
    metrics = _document(folder / "evaluation.json").get("metrics", {})
    return {"verdict": str(verdict)} | {f"final_{name}": float(value) for name, value in metrics.items()}


def _document(path: Path) -> dict[str, Any]:
    """The content of a JSON file; empty where there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
