# SPDX-License-Identifier: Apache-2.0
"""JSON lines: RLlib's ``result.json``, ``metrics.jsonl``, Stable-Baselines3's ``progress.json``, our own run log.

Every line is one mapping, nested or flat; its numbers are the values of series. A file that is one JSON value is read
too: a list of such mappings, a list of ``[time, step, value]``, or a mapping of lists.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping

from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.readers.axes import Axes
from td3_driving.doctor.readers.bounds import Progress, as_number, flatten, small_text, text_lines, whole
from td3_driving.doctor.scalars import ReadReport, Scalar

LARGEST_DOCUMENT = 16 * 2**20


def read_json_lines(path: Path, report: ReadReport, progress: Progress | None = None) -> Iterator[Scalar]:
    """Yield the scalars of a JSON-lines file; a last line that is cut short is damage, no error.

    Raises:
        Unusable: the first line is no JSON mapping and the whole is no JSON value of a known shape.
    """
    axes: dict[frozenset[str], Axes] = {}
    number, broken = 0, 0
    for line in text_lines(path, progress):
        if not line.strip():
            continue
        broken = 0
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            if number == 0:
                yield from _whole_document(path, report)
                return
            broken = 1
            continue
        if not isinstance(entry, Mapping):
            yield from _whole_document(path, report)
            return
        for scalar in _scalars_of(entry, number, axes):
            report.scalars += 1
            yield scalar
        number += 1
    if broken:
        report.damage = "cut short: the last line is half-written; the writer was interrupted or is still at work"


def _whole_document(path: Path, report: ReadReport) -> Iterator[Scalar]:
    try:
        loaded = json.loads(small_text(path, LARGEST_DOCUMENT))
    except (ValueError, RecursionError) as error:
        if isinstance(error, Unusable):
            raise
        raise Unusable(f"{path} is no JSON that can be read") from error
    for scalar in _of_document(path, loaded):
        report.scalars += 1
        yield scalar


def _of_document(path: Path, loaded: Any) -> Iterator[Scalar]:
    axes: dict[frozenset[str], Axes] = {}
    if isinstance(loaded, list):
        for number, entry in enumerate(loaded):
            if isinstance(entry, Mapping):
                yield from _scalars_of(entry, number, axes)
            elif isinstance(entry, list) and len(entry) == 3:
                yield from _point(path.stem, entry)
    elif isinstance(loaded, Mapping):
        for tag, values in flatten(loaded):
            if isinstance(values, list):
                for index, value in enumerate(values):
                    if (number_ := as_number(value)) is not None and not isinstance(value, str):
                        yield Scalar(tag, index, number_, 0.0)


def _point(tag: str, entry: list[Any]) -> Iterator[Scalar]:
    wall, step, value = (as_number(item) for item in entry)
    if wall is not None and step is not None and value is not None:
        yield Scalar(tag, whole(step), value, wall)


def _scalars_of(entry: Mapping[Any, Any], number: int, known: dict[frozenset[str], Axes]) -> Iterator[Scalar]:
    flat = {tag: value for tag, value in flatten(entry) if isinstance(value, (int, float)) or value in _NAMED}
    return scalars_of_row(flat, number, known)


_NAMED = ("NaN", "Infinity", "-Infinity")


def scalars_of_row(flat: Mapping[str, Any], number: int, known: dict[frozenset[str], Axes]) -> Iterator[Scalar]:
    """The scalars of one row of a log; ``known`` keeps the axes of rows with equal columns."""
    columns = frozenset(flat)
    if columns not in known:
        if len(known) > 64:
            known.clear()
        known[columns] = Axes(flat)
    axes = known[columns]
    step = as_number(flat.get(axes.step)) if axes.step else float(number)
    if step is None or not abs(step) < 2**63:
        return
    wall = as_number(flat.get(axes.wall)) or 0.0
    for tag, value in _numbers(flat.items()):
        if tag not in axes.others and "config/" not in tag:
            yield Scalar(tag, int(step), value, wall)


def _numbers(items: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, float]]:
    for tag, value in items:
        number = as_number(value)
        if number is not None:
            yield tag, number
