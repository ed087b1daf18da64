# SPDX-License-Identifier: Apache-2.0
"""Tables: ``progress.csv``, ``monitor.csv``, ``progress.txt``, exports of W&B and TensorBoard, d3rlpy's columns.

A table has a line with the names of its columns, then rows. Commas, tabs or semicolons separate the cells. The names
distinguish four shapes: one row per episode (``r, l, t``), one row per point (``tag, step, value``), one column per
series, and the three columns of a single series.
"""

from __future__ import annotations

import csv
import json
import re
from itertools import chain, islice
from pathlib import Path
from typing import Iterator, Sequence

from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.readers.axes import Axes, plain
from td3_driving.doctor.readers.bounds import Progress, as_number, text_lines, whole
from td3_driving.doctor.scalars import ReadReport, Scalar

MOST_COLUMNS = 10_000
MOST_ROWS_FOR_PARTS = 1_000_000
TAG_COLUMNS = ("tag", "name", "metric", "key")
_EXPORT = re.compile(r"^(?P<run>.+?) - (?P<tag>.+?)(?P<bound>__MIN|__MAX)?$")
_TENSORBOARD_NAME = re.compile(r"^run-.*?-?tag-(?P<tag>.+)$")
Rows = Iterator[list[str]]


def read_table(path: Path, report: ReadReport, progress: Progress | None = None, part: str = "") -> Iterator[Scalar]:
    """Yield the scalars of a table in the order of its rows.

    Args:
        part: one of several runs in the file, see :func:`parts_of_table`; empty if there is only one.

    Raises:
        Unusable: it is no table with a line of names and rows of numbers.
    """
    head, rows, start = _opened(path, progress)
    for scalar in _scalars(path, head, rows, start, part):
        report.scalars += 1
        yield scalar


def _scalars(path: Path, head: list[str], rows: Rows, start: float, part: str) -> Iterator[Scalar]:
    names = [plain(name) for name in head]
    if {"r", "l", "t"} <= set(names):
        return _episodes(head, rows, start)
    tag_column = next((names.index(name) for name in TAG_COLUMNS if name in names), None)
    if tag_column is not None and {"step", "value"} <= set(names):
        return _points(names, tag_column, rows, part)
    if names == ["wall_time", "step", "value"]:
        return _single(_tag_of_file(path), rows, wall=0, step=1, value=2)
    if len(head) == 3 and all(as_number(cell) is not None for cell in head):
        return _single(path.stem, chain([head], rows), wall=None, step=1, value=2)
    return _wide(head, rows, part)


def parts_of_table(path: Path) -> list[str]:
    """The names of the runs that share a table: those of a W&B export, or the numbers of ``#file`` rows."""
    head, rows, _ = _opened(path, None)
    runs = [found["run"] for name in head if (found := _EXPORT.match(name))]
    if runs and plain(head[0]) in ("step", "relative_time_process", "relative_time_wall"):
        return list(dict.fromkeys(runs))
    names = [plain(name) for name in head]
    if names[:3] != ["tag", "step", "value"]:
        return [""]
    marks = [row[1] for row in islice(rows, MOST_ROWS_FOR_PARTS) if len(row) > 1 and row[0] == "#file"]
    return ["0", *dict.fromkeys(mark for mark in marks if mark != "0")] if marks else [""]


def columns_of(path: Path) -> list[str]:
    """Names of the columns; empty where ``path`` is no table."""
    try:
        return _opened(path, None)[0]
    except Unusable:
        return []


def _opened(path: Path, progress: Progress | None) -> tuple[list[str], Rows, float]:
    """Names of the columns, the rows, and the start time [s] that a monitor file states in its first line."""
    lines = (line for line in text_lines(path, progress) if line.strip())
    first = next(lines, "")
    start = 0.0
    if first.startswith("#{"):
        start = _start_time(first[1:])
        first = next(lines, "")
    delimiter = next((mark for mark in "\t,;" if mark in first), ",")
    reader = csv.reader(chain([first], lines), delimiter=delimiter)
    rows = _rows(reader, path)
    head = [name.strip() for name in next(rows, [])]
    if not any(head) or len(head) > MOST_COLUMNS:
        raise Unusable(f"{path} is no table: its first line names no columns")
    return head, rows, start


def _rows(reader: Iterator[list[str]], path: Path) -> Rows:
    try:
        yield from reader
    except csv.Error as error:
        raise Unusable(f"{path} is no table: {error}") from error


def _start_time(text: str) -> float:
    try:
        return as_number(json.loads(text).get("t_start")) or 0.0
    except (ValueError, AttributeError, RecursionError):
        return 0.0


def _tag_of_file(path: Path) -> str:
    found = _TENSORBOARD_NAME.match(path.stem)
    return (found["tag"] if found else path.stem).replace("_", "/", 1)


def _episodes(head: Sequence[str], rows: Rows, start: float) -> Iterator[Scalar]:
    """One row per episode: ``r`` return, ``l`` length [steps], ``t`` seconds since the start."""
    tags = [f"monitor/{name}" for name in head]
    length_at, time_at = head.index("l"), head.index("t")
    step = 0.0
    for row in rows:
        if len(row) < len(head):
            continue
        length, wall = as_number(row[length_at]), as_number(row[time_at])
        if length is None or not 0 <= length < 2**31:
            continue
        step += length
        for tag, cell in zip(tags, row):
            value = as_number({"True": 1, "False": 0}.get(cell, cell))
            if value is not None and tag != "monitor/t":
                yield Scalar(tag, int(step), value, start + (wall or 0.0))


def _points(names: Sequence[str], tag_at: int, rows: Rows, part: str) -> Iterator[Scalar]:
    """One row per point. ``sub>tag`` is a series that ``add_scalars`` wrote into a folder of its own."""
    step_at, value_at = names.index("step"), names.index("value")
    current, wanted = "0", part or "0"
    for row in rows:
        if len(row) < len(names):
            continue
        if row[tag_at] == "#file":
            current = row[step_at]
            continue
        step, value = as_number(row[step_at]), as_number(row[value_at])
        if step is not None and value is not None and current == wanted:
            folder, arrow, tag = row[tag_at].partition(">")
            yield Scalar(folded_tag(folder, tag) if arrow else row[tag_at], whole(step), value, 0.0)


def folded_tag(folder: str, tag: str) -> str:
    """The series that ``add_scalars(tag, {key: …})`` writes under ``tag`` into the folder ``tag_key``: ``tag/key``."""
    return f"{tag}/{folder.removeprefix(tag.replace('/', '_') + '_')}"


def _single(tag: str, rows: Iterator[list[str]], wall: int | None, step: int, value: int) -> Iterator[Scalar]:
    for row in rows:
        if len(row) == 3:
            at, number = as_number(row[step]), as_number(row[value])
            if at is not None and number is not None:
                yield Scalar(tag, whole(at), number, 0.0 if wall is None else as_number(row[wall]) or 0.0)


def _wide(head: Sequence[str], rows: Rows, part: str) -> Iterator[Scalar]:
    """One column per series."""
    axes = Axes(head)
    step_at = head.index(axes.step) if axes.step else None
    wall_at = head.index(axes.wall) if axes.wall else None
    series = [(index, tag) for index, name in enumerate(head) if (tag := _tag_of_column(name, part, axes))]
    for number, row in enumerate(rows):
        if len(row) != len(head):
            continue
        step = float(number) if step_at is None else as_number(row[step_at])
        if step is None:
            continue
        wall = (as_number(row[wall_at]) if wall_at is not None else None) or 0.0
        for index, tag in series:
            value = as_number(row[index])
            if value is not None:
                yield Scalar(tag, whole(step), value, wall)


def _tag_of_column(name: str, part: str, axes: Axes) -> str:
    """The tag of a column; empty for axes and for columns that are no series of this run."""
    if not name or name in axes.others:
        return ""
    found = _EXPORT.match(name)
    if not part or found is None:
        return "" if part else name
    return found["tag"] if found["run"] == part and not found["bound"] else ""
