# SPDX-License-Identifier: Apache-2.0
"""Finds the runs at a path, and reads each as one stream of samples.

A run is a folder with logs, one log file, or a bag of the topics ``/td3/*``. The configuration
(``config.yaml``) and the manifest beside the logs are read too. If they cannot be read, the run is judged without them.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from td3_driving.doctor.bag import bag_config
from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.expectations import parse_config, read_config
from td3_driving.doctor.readers.attempts import Segment, divided, one_after_another
from td3_driving.doctor.readers.bounds import Progress, small_text
from td3_driving.doctor.readers.checksums import damage_of
from td3_driving.doctor.readers.episodes import monitors_merged
from td3_driving.doctor.readers.folders import add_scalars_folder, folders_with_logs, streams_in
from td3_driving.doctor.readers.mlflow import mlflow_parameters
from td3_driving.doctor.readers.streams import Stream, stream_of
from td3_driving.doctor.readers.tables import parts_of_table
from td3_driving.doctor.rules.camera import final_samples
from td3_driving.doctor.scalars import ReadReport, Scalar

CONFIG_TEXTS = ("config", "hyperparameters", "args", "hparams")
ABSOLUTE = 1e8
# Folder names that do not name a run.
PLAIN_NAMES = frozenset({"summaries", "tb", "tensorboard", "logs", "log", "files", "tensorboard_logs", "runs", "bag"})
# Kinds of logs that make a folder a run, whatever tables lie below it.
RECORDS = frozenset({"events", "wandb", "mlflow"})
# Key by which the manifest of our own runs is known.
OUR_KEY = "config_hash"
DESCRIBED = ("config.yaml", "manifest.json", "evaluation.json")
PLAIN_FILES = frozenset({"progress", "monitor", "result", "doctor", "metrics"})


@dataclass
class Run:
    """One run: its streams and its description."""

    path: Path
    segments: list[Segment]
    label: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    manifest: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    reports: list[ReadReport] = field(default_factory=list)
    final: list[Scalar] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def streams(self) -> list[Stream]:
        """All streams, oldest first."""
        return [stream for segment in self.segments for stream in segment.streams]

    @property
    def files(self) -> tuple[str, ...]:
        """Where the samples come from."""
        return tuple(dict.fromkeys(str(stream.path) for stream in self.streams))

    @property
    def name(self) -> str:
        """Name of the run: its folder, and its number if the folder holds several."""
        if self.path.is_file() and self.streams[0].kind != "events" and self.path.stem not in PLAIN_FILES:
            return " ".join(part for part in (self.path.stem, self.label) if part)
        folder = (self.path if self.path.is_dir() else self.path.parent).resolve()
        name = f"{folder.parent.name}/{folder.name}" if folder.name in PLAIN_NAMES else folder.name
        return " ".join(part for part in (name or str(folder), self.label) if part)

    @property
    def size(self) -> int:
        """Bytes to read."""
        return sum(stream.size for stream in self.streams)

    @property
    def damage(self) -> str:
        """Damage at the end of the newest file. Damage before a restart does not count."""
        return self.reports[-1].damage if self.reports else ""

    @property
    def earlier_damage(self) -> str:
        """Damage of an older file: what lay behind it is not known either."""
        return next((report.damage for report in self.reports if report.damage), "")

    def samples(self, progress: Progress | None = None) -> Iterator[Scalar]:
        """All scalars, segment by segment, in the order of time (of steps if times are unknown).

        The scalars of the drives after the run come last.
        """
        self.reports = []
        for segment in self.segments:
            if segment.until:
                yield from (sample for sample in self._segment(segment, progress) if segment.keeps(sample))
            else:
                yield from self._segment(segment, progress)
        yield from self.final

    def _segment(self, segment: Segment, progress: Progress | None) -> Iterator[Scalar]:
        streams = []
        for stream in segment.streams:
            report = ReadReport(str(stream.path))
            self.reports.append(report)
            streams.append(stream.read(report, progress))
        streams = monitors_merged(segment.streams, streams)
        if len(streams) == 1:
            yield from streams[0]
            return
        dated = all(first.wall > ABSOLUTE for stream in segment.streams for first in stream.head(1))
        yield from heapq.merge(*streams, key=_by_wall if dated else _by_step)

    def asked_in_texts(self) -> dict[str, Any]:
        """The configuration that texts in the event files state."""
        asked: dict[str, Any] = {}
        for report in self.reports:
            for name in CONFIG_TEXTS:
                asked |= _parsed(report.texts.get(name, ""))
        return asked


def _by_wall(sample: Scalar) -> float:
    return sample.wall


def _by_step(sample: Scalar) -> float:
    return sample.step


def _parsed(text: str) -> dict[str, Any]:
    try:
        return parse_config(text) if text else {}
    except ValueError:
        return {}


def find_runs(path: Path) -> list[Run]:
    """The runs at ``path``, at least one.

    Raises:
        Unusable: there is none, or it cannot be read.
    """
    try:
        if not path.exists():
            raise Unusable(f"{path} does not exist")
        runs = _in_folder(path) if path.is_dir() else _in_file(path)
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}") from error
    if not runs:
        raise Unusable(f"{path} holds no event file, table, JSON log, MLflow or W&B run, and no bag")
    if not any(stream.size or stream.kind == "bag" for run in runs for stream in run.streams):
        raise Unusable(f"{path} holds only empty event files")
    return runs


def find_run(path: Path) -> Run:
    """The one run at ``path``.

    Raises:
        Unusable: there is none, there are several, or it cannot be read.
    """
    runs = find_runs(path)
    if len(runs) > 1:
        names = ", ".join(run.name for run in runs[:5])
        raise Unusable(f"{path} holds {len(runs)} runs; name one of them: {names}")
    return runs[0]


def _in_file(path: Path) -> list[Run]:
    if not path.is_file():
        raise Unusable(f"{path} is neither a file nor a folder")
    stream = stream_of(path)
    parts = parts_of_table(path) if stream.kind == "table" else [""]
    return _runs_of(path, [Stream(path, stream.kind, part) for part in parts])


def _runs_of(path: Path, streams: list[Stream]) -> list[Run]:
    """The runs in streams of one folder."""
    if any(stream.part for stream in streams):
        runs = [Run(path, [Segment([stream])], stream.part) for stream in streams]
    else:
        divisions = [one_after_another(streams)] if _is_ours(path) else _divided(streams)
        labels = [""] if len(divisions) == 1 else [f"#{number}" for number in range(1, len(divisions) + 1)]
        runs = [Run(path, segments, label) for segments, label in zip(divisions, labels)]
    for run in runs:
        _describe(run, path if path.is_dir() else path.parent)
        if len(runs) > 1 and len(run.streams) == 1 and run.streams[0].kind in ("table", "json"):
            run.path, run.label = run.streams[0].path, run.streams[0].part
    return runs


def _is_ours(folder: Path) -> bool:
    """Whether one of our own runs made ``folder``; it never holds two."""
    try:
        return OUR_KEY in json.loads(small_text(folder / "manifest.json"))
    except (ValueError, TypeError, RecursionError):
        return False


def _divided(streams: list[Stream]) -> list[list[Segment]]:
    """Runs of one folder; monitor files complete the log beside them where it is one file of one run."""
    logs = [stream for stream in streams if not stream.is_monitor]
    if not logs:
        return [[Segment(streams)]]
    divisions = divided(logs)
    if len(divisions) == 1 and len(divisions[0]) == 1:
        divisions[0][0].streams += [stream for stream in streams if stream.is_monitor]
    return divisions


def _in_folder(root: Path) -> list[Run]:
    """The runs of ``root`` itself and of all folders below; folders of ``add_scalars`` belong to the one above."""
    streams: dict[Path, list[Stream]] = {}
    for folder in folders_with_logs(root):
        if folder != root and add_scalars_folder(folder):
            own = [Stream(item.path, item.kind, item.part, folder.name) for item in streams_in(folder)]
            streams.setdefault(folder.parent, []).extend(own)
        else:
            streams[folder] = streams_in(folder) + streams.get(folder, [])
    streams = _monitors_with_their_run(_without_parts(streams))
    return [run for folder, found in streams.items() for run in _runs_of(folder, found)]


def _without_parts(streams: dict[Path, list[Stream]]) -> dict[Path, list[Stream]]:
    """Leave out tables and JSON below a run: its checkpoints and evaluations are no runs."""
    runs = {folder for folder, found in streams.items() if any(stream.kind in RECORDS for stream in found)}
    return {
        folder: found
        for folder, found in streams.items()
        if any(stream.kind in RECORDS for stream in found) or not runs & set(folder.parents)
    }


def _monitors_with_their_run(streams: dict[Path, list[Stream]]) -> dict[Path, list[Stream]]:
    """Monitor files that lie above the only log of a run belong to it."""
    if len(streams) != 2:
        return streams
    (above, monitors), (below, logs) = streams.items()
    if above in below.parents and all(stream.is_monitor for stream in monitors):
        return {below: logs + monitors}
    return streams


def _describe(run: Run, folder: Path) -> None:
    """Read configuration, manifest and final drives beside the logs, as far as possible."""
    kind = run.streams[0].kind
    if kind == "bag" and not _is_ours(folder) and _is_ours(folder.parent):
        # The recorder puts its bag into the folder of the run.
        folder = folder.parent
    run.faults = [fault for name in DESCRIBED if (fault := damage_of(folder, name))]
    run.final = final_samples(folder)
    if kind == "mlflow":
        run.config = mlflow_parameters(run.path)
        return
    config, manifest = folder / "config.yaml", folder / "manifest.json"
    try:
        run.config = read_config(config) if config.is_file() else bag_config(run.path) if kind == "bag" else {}
    except Unusable as error:
        run.notes.append(str(error))
    try:
        loaded = json.loads(small_text(manifest)) if manifest.is_file() else {}
        run.manifest = {str(key): str(value) for key, value in loaded.items()} if isinstance(loaded, dict) else {}
    except (ValueError, RecursionError):
        run.notes.append(f"{manifest} is no JSON and was not read")
