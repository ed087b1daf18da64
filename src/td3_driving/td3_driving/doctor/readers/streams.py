# SPDX-License-Identifier: Apache-2.0
"""One source of scalars: a file, and the reader for it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Callable, Iterator

from td3_driving.doctor.bag import is_bag, read_bag
from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.event_file import FILE_MARK, is_event_file, read_scalars
from td3_driving.doctor.readers.bounds import (
    ESTIMATE_AFTER,
    LONGEST_TAG,
    MOST_SCALARS,
    MOST_TAGS,
    Progress,
    open_regular,
)
from td3_driving.doctor.readers.json_lines import read_json_lines
from td3_driving.doctor.readers.mlflow import is_mlflow, metric_files, read_mlflow
from td3_driving.doctor.readers.tables import columns_of, folded_tag, read_table
from td3_driving.doctor.readers.wandb_log import FILE_HEAD, read_wandb
from td3_driving.doctor.scalars import ReadReport, Scalar

# After so many bytes without a scalar a file is given up. Event files may begin with images.
BARREN = {"events": 128 * 10**6}
BARREN_TEXT = 24 * 10**6
TABLES = (".csv", ".tsv", ".txt")
JSON = (".json", ".jsonl", ".ndjson")
Reader = Callable[[Path, ReadReport, "Progress | None"], Iterator[Scalar]]
READERS: dict[str, Reader] = {
    "events": read_scalars,
    "json": read_json_lines,
    "mlflow": read_mlflow,
    "wandb": read_wandb,
}


@dataclass(frozen=True)
class Stream:
    """A file, or a folder that is read as one.

    Attributes:
        path: where it lies.
        kind: ``events``, ``table``, ``json``, ``mlflow``, ``wandb`` or ``bag``.
        part: name of the run, if several share a table.
        folder: name of the folder in which ``add_scalars`` wrote it; empty for all else.
    """

    path: Path
    kind: str
    part: str = ""
    folder: str = ""

    @property
    def size(self) -> int:
        """Bytes to read."""
        if self.kind == "mlflow":
            return sum(file.stat().st_size for file in metric_files(self.path))
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def is_monitor(self) -> bool:
        """Whether it is a monitor file of Stable-Baselines3: one row per episode of one environment."""
        return self.path.name.endswith("monitor.csv")

    def read(self, report: ReadReport, progress: Progress | None = None) -> Iterator[Scalar]:
        """Yield the scalars, as many as can be examined.

        Raises:
            Unusable: it cannot be read, or it holds too many scalars.
        """
        count = _Count(self, report, progress)
        return _bounded(self._raw(report, count), self, report, count)

    def _raw(self, report: ReadReport, progress: Progress) -> Iterator[Scalar]:
        if self.kind == "bag":
            return read_bag(self.path, report)
        if self.kind == "table":
            return read_table(self.path, report, progress, self.part)
        scalars = READERS[self.kind](self.path, report, progress)
        return scalars if not self.folder else _folded(scalars, self.folder)

    def head(self, most: int) -> list[Scalar]:
        """The first scalars, at most ``most``; none where it cannot be read."""
        try:
            return list(islice(self.read(ReadReport(str(self.path))), most))
        except Unusable:
            return []


class _Count:
    """Counts the bytes read and passes them on. Stops at files that are long and hold nothing."""

    def __init__(self, stream: Stream, report: ReadReport, progress: Progress | None) -> None:
        self.bytes = 0
        self._stream = stream
        self._report = report
        self._progress = progress

    def __call__(self, count: int) -> None:
        self.bytes += count
        barren = BARREN.get(self._stream.kind, BARREN_TEXT)
        if self.bytes > barren and not self._report.scalars:
            raise Unusable(f"{self._stream.path} holds no scalar in its first {barren // 10**6:,} MB")
        if self._report.records > 4 * ESTIMATE_AFTER and self.expected(self._report.records) > 2 * MOST_SCALARS:
            raise Unusable(f"{self._stream.path} holds more than {2 * MOST_SCALARS / 1e6:.0f} million records")
        if self._progress:
            self._progress(count)

    def expected(self, number: int) -> float:
        """Estimate of the number in the whole file, if ``number`` were in the bytes read so far."""
        return number * self._stream.size / max(1, self.bytes)


def _bounded(scalars: Iterator[Scalar], stream: Stream, report: ReadReport, count: _Count) -> Iterator[Scalar]:
    """Yield the scalars of 20,000 tags at most. After 50,000 points, refuse a file that holds millions of them."""
    seen: set[str] = set()
    for number, scalar in enumerate(scalars, 1):
        tag = scalar.tag
        if tag not in seen:
            if len(seen) >= MOST_TAGS or len(tag) > LONGEST_TAG:
                continue
            seen.add(tag)
        yield scalar
        if number == ESTIMATE_AFTER and count.bytes and stream.kind != "bag":
            expected = count.expected(number)
            if expected > MOST_SCALARS:
                raise Unusable(
                    f"{stream.path} holds about {expected / 1e6:,.0f} million scalars; up to {MOST_SCALARS / 1e6:.0f}"
                    " million are read: log less often, or give a part of it"
                )


def _folded(scalars: Iterator[Scalar], folder: str) -> Iterator[Scalar]:
    for scalar in scalars:
        yield scalar._replace(tag=folded_tag(folder, scalar.tag))


def stream_of(path: Path) -> Stream:
    """The stream at ``path``, by its name, else by how it begins.

    Raises:
        Unusable: it is no kind of log.
    """
    if path.is_dir():
        return Stream(path, "mlflow" if is_mlflow(path) else "bag")
    if FILE_MARK in path.name:
        return Stream(path, "events")
    if is_bag(path):
        return Stream(path, "bag")
    suffix = path.suffix.casefold()
    if suffix in JSON or suffix == ".wandb":
        return Stream(path, "json" if suffix in JSON else "wandb")
    kind = "table" if suffix in TABLES else _by_content(path)
    return Stream(path, kind)


def _by_content(path: Path) -> str:
    with open_regular(path) as file:
        head = file.read(4096)
    if not head:
        raise Unusable(f"{path} is empty")
    if is_event_file(head):
        return "events"
    if head.startswith(FILE_HEAD):
        return "wandb"
    if head.lstrip().startswith((b"{", b"[")):
        return "json"
    if b"\0" not in head and len(columns_of(path)) > 1:
        return "table"
    raise Unusable(f"{path} is no event file, table, JSON log, W&B log or bag")
