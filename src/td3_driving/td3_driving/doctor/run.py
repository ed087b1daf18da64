"""Finds what belongs to a run, and reads it as one stream of samples.

A run is a folder with event files, one event file, or a bag of the topics ``/td3/*``. Of our own run folders the
configuration (``config.yaml``) and the manifest are read too. A run that was interrupted and gone on with has several
event files; they are merged by wall time.
"""

from __future__ import annotations

import heapq
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterator

import yaml

from td3_driving.doctor.bag import is_bag, read_bag
from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.event_file import FILE_PATTERN, Progress, ReadReport, Scalar, read_scalars
from td3_driving.doctor.expectations import parse_config, read_config
from td3_driving.doctor.rules.camera import final_samples

CONFIG_TEXTS = ("config", "hyperparameters", "args", "hparams")


@dataclass
class Run:
    """The files of one run."""

    path: Path
    event_files: list[Path] = field(default_factory=list)
    bag: Path | None = None
    config: dict[str, Any] = field(default_factory=dict)
    manifest: dict[str, str] = field(default_factory=dict)
    reports: list[ReadReport] = field(default_factory=list)
    final: list[Scalar] = field(default_factory=list)

    @property
    def name(self) -> str:
        """How the run is called: its folder."""
        folder = self.path if self.path.is_dir() else self.path.parent
        return folder.resolve().name or str(folder)

    @property
    def size(self) -> int:
        """Bytes to read."""
        files = self.event_files or ([self.bag] if self.bag and self.bag.is_file() else [])
        return sum(file.stat().st_size for file in files)

    @property
    def damage(self) -> str:
        """What is wrong with the end of the newest event file; damage before a restart is the past of the run."""
        return self.reports[-1].damage if self.reports else ""

    def samples(self, progress: Progress | None = None) -> Iterator[Scalar]:
        """All scalars in the order of their wall time; those of the drives after the run come last."""
        if self.bag is not None:
            yield from read_bag(self.bag)
            return
        self.reports = [ReadReport(str(file)) for file in self.event_files]
        streams = [read_scalars(file, report, progress) for file, report in zip(self.event_files, self.reports)]
        yield from streams[0] if len(streams) == 1 else heapq.merge(*streams, key=lambda sample: sample.wall)
        yield from self.final

    def asked_in_texts(self) -> dict[str, Any]:
        """The configuration as texts of the event files hold it."""
        asked: dict[str, Any] = {}
        for report in self.reports:
            for name in CONFIG_TEXTS:
                asked |= _parsed(report.texts.get(name, ""))
        return asked


def _parsed(text: str) -> dict[str, Any]:
    try:
        return parse_config(text) if text else {}
    except (ValueError, yaml.YAMLError):
        return {}


def find_run(path: Path) -> Run:
    """The run at ``path``.

    Raises:
        Unusable: there is none, there are several, or it cannot be read.
    """
    try:
        if not path.exists():
            raise Unusable(f"{path} does not exist")
        run = _in_folder(path) if path.is_dir() else _single(path)
        if any(file.stat().st_size for file in run.event_files) or run.bag:
            return run
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}") from error
    raise Unusable(f"{path} holds only empty event files")


def _single(path: Path) -> Run:
    if is_bag(path):
        return Run(path, bag=path)
    run = Run(path, event_files=[path])
    _add_description(run, path.parent)
    return run


def _in_folder(folder: Path) -> Run:
    files = _event_files(folder)
    if not files and is_bag(folder):
        return Run(folder, bag=folder)
    if not files:
        return _below(folder)
    run = Run(folder, event_files=files)
    _add_description(run, folder)
    return run


def _below(folder: Path) -> Run:
    """The one run in the folders below ``folder``."""
    folders = sorted({file.parent for file in folder.rglob(FILE_PATTERN) if file.is_file()})
    if len(folders) == 1:
        return _in_folder(folders[0])
    if folders:
        names = ", ".join(str(found.relative_to(folder)) for found in folders[:5])
        raise Unusable(f"{folder} holds {len(folders)} runs; name one of them: {names}")
    raise Unusable(f"{folder} holds no TensorBoard event file and no bag")


def _event_files(folder: Path) -> list[Path]:
    """Event files of ``folder``, oldest first.

    Empty ones (a writer that wrote nothing) are left out if others are there.
    """
    files = sorted((file for file in folder.glob(FILE_PATTERN) if file.is_file()), key=lambda file: file.name)
    return [file for file in files if file.stat().st_size] or files


def _add_description(run: Run, folder: Path) -> None:
    run.final = final_samples(folder)
    config, manifest = folder / "config.yaml", folder / "manifest.json"
    if config.is_file():
        run.config = read_config(config)
    if manifest.is_file():
        try:
            loaded = json.loads(manifest.read_text(encoding="utf-8"))
        except ValueError as error:
            raise Unusable(f"{manifest} is no JSON: {error}") from error
        run.manifest = {str(key): str(value) for key, value in loaded.items()} if isinstance(loaded, dict) else {}
