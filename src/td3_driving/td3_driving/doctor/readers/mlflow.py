# SPDX-License-Identifier: Apache-2.0
"""A run in MLflow's file store: ``metrics/NAME`` with lines ``milliseconds value step``, ``params/NAME``."""

from __future__ import annotations

import heapq
from pathlib import Path
from typing import Any, Iterator

from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.readers.bounds import Progress, as_number, small_text, text_lines, whole
from td3_driving.doctor.scalars import ReadReport, Scalar

MOST_METRICS = 500
MOST_PARAMETERS = 200


def is_mlflow(folder: Path) -> bool:
    """Whether ``folder`` is a run of MLflow's file store."""
    return (folder / "meta.yaml").is_file() and (folder / "metrics").is_dir()


def metric_files(folder: Path) -> list[Path]:
    """The files of the metrics, at most 500."""
    return sorted(file for file in (folder / "metrics").rglob("*") if file.is_file())[:MOST_METRICS]


def read_mlflow(folder: Path, report: ReadReport, progress: Progress | None = None) -> Iterator[Scalar]:
    """Yield the scalars of all metrics in the order of time."""
    root = folder / "metrics"
    streams = [_metric(file, file.relative_to(root).as_posix(), progress) for file in metric_files(folder)]
    for scalar in heapq.merge(*streams, key=lambda item: item.wall):
        report.scalars += 1
        yield scalar


def _metric(file: Path, tag: str, progress: Progress | None) -> Iterator[Scalar]:
    for number, line in enumerate(text_lines(file, progress)):
        cells = [as_number(cell) for cell in line.split()]
        if len(cells) not in (2, 3) or None in cells[:2]:
            continue
        step = cells[2] if len(cells) == 3 and cells[2] is not None else float(number)
        assert cells[0] is not None and cells[1] is not None
        yield Scalar(tag, whole(step), cells[1], cells[0] / 1000.0)


def mlflow_parameters(folder: Path) -> dict[str, Any]:
    """What was asked of the run."""
    found: dict[str, Any] = {}
    root = folder / "params"
    for file in sorted(root.rglob("*"))[:MOST_PARAMETERS] if root.is_dir() else []:
        try:
            found[file.relative_to(root).as_posix()] = small_text(file, 4096).strip()
        except Unusable:
            continue
    return found
