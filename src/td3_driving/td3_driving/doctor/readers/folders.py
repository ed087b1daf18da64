# SPDX-License-Identifier: Apache-2.0
"""What lies in a folder: which files are logs, and which of them belong to one run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator

from td3_driving.doctor.bag import is_bag
from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.event_file import FILE_MARK
from td3_driving.doctor.names import Names
from td3_driving.doctor.readers.axes import plain
from td3_driving.doctor.readers.mlflow import is_mlflow
from td3_driving.doctor.readers.streams import JSON, TABLES, Stream
from td3_driving.doctor.readers.tables import columns_of, parts_of_table

MOST_FOLDERS = 20_000
DEEPEST = 12
MOST_RUNS = 1000
# Files that describe a run and hold no series.
DESCRIPTIONS = frozenset({"wandb-summary.json", "wandb-metadata.json", "params.json", "manifest.json", "config.json"})
DESCRIPTIONS |= {"requirements.txt", "args.json", "hparams.json", "report.json", "environment.json", "package.json"}
LOGS = frozenset({"result.json", "progress.json", "metrics.json", "trainer_state.json"})
PROBE = 20


def folders_with_logs(root: Path) -> list[Path]:
    """Every folder at or below ``root`` that holds a log, in the order of names. Links to folders are not followed.

    Raises:
        Unusable: there are too many.
    """
    found = [folder for folder in _walk(root) if streams_in(folder)]
    if len(found) > MOST_RUNS:
        raise Unusable(f"{root} holds more than {MOST_RUNS:,} folders with logs; name a smaller part of it")
    return found


def _walk(root: Path) -> Iterator[Path]:
    depth = len(root.parts)
    for count, (name, folders, _) in enumerate(os.walk(root)):
        if count >= MOST_FOLDERS:
            raise Unusable(f"{root} holds more than {MOST_FOLDERS:,} folders; name a smaller part of it")
        folder = Path(name)
        yield folder
        stop = is_mlflow(folder) or len(folder.parts) - depth >= DEEPEST
        folders[:] = [] if stop else sorted(sub for sub in folders if not sub.startswith("."))


def streams_in(folder: Path) -> list[Stream]:
    """The logs directly in ``folder``: the richest kind of them, and episodes from monitor files."""
    if is_mlflow(folder):
        return [Stream(folder, "mlflow")]
    files = sorted(_regular(folder))
    events = [Stream(file, "events") for file in files if FILE_MARK in file.name]
    if any(stream.size for stream in events):
        return [stream for stream in events if stream.size] + _monitors(files)
    wandb = [Stream(file, "wandb") for file in files if file.suffix == ".wandb"]
    logs = wandb or _json_logs(files) or _tables(files)
    if logs or _monitors(files):
        return logs + _monitors(files)
    if is_bag(folder):
        return [Stream(folder, "bag")]
    return events


def _regular(folder: Path) -> Iterator[Path]:
    try:
        yield from (Path(entry.path) for entry in os.scandir(folder) if entry.is_file())
    except OSError as error:
        raise Unusable(f"{folder} cannot be read: {error.strerror}") from error


def _monitors(files: list[Path]) -> list[Stream]:
    """Stable-Baselines3's monitor files: one row per episode, one file per environment."""
    return [stream for file in files if (stream := Stream(file, "table")).is_monitor]


def _json_logs(files: list[Path]) -> list[Stream]:
    candidates = [file for file in files if file.suffix.casefold() in JSON and file.name not in DESCRIPTIONS]
    streams = [Stream(file, "json") for file in candidates]
    return [stream for stream in streams if _is_series(stream)]


def _is_series(stream: Stream) -> bool:
    """Whether a tag is understood and has more than one point; one point suffices if the file has the name of a log.

    The state of a checkpoint names counters too, but each only once.
    """
    names, steps = Names(), dict[str, set[int]]()
    for scalar in stream.head(500):
        if names.quantity(scalar.tag):
            steps.setdefault(scalar.tag, set()).add(scalar.step)
    log = stream.path.name in LOGS or stream.path.suffix.casefold() != ".json"
    return bool(steps) if log else any(len(found) > 1 for found in steps.values())


def _tables(files: list[Path]) -> list[Stream]:
    names = Names()
    wanted: list[Stream] = []
    for file in files:
        if file.suffix.casefold() not in TABLES or file.name in DESCRIPTIONS or file.name.endswith("monitor.csv"):
            continue
        parts = parts_of_table(file) if (columns := columns_of(file)) else []
        if _is_log(columns, names) or _is_single(file, columns, names) or parts[1:] or parts[:1] not in ([], [""]):
            wanted += [Stream(file, "table", part) for part in parts]
    named = [stream for stream in wanted if stream.path.stem == "progress"]
    return named or wanted


def _is_log(columns: list[str], names: Names) -> bool:
    known = [column for column in columns if names.quantity(column)]
    return bool(known) or {"tag", "step", "value"} <= {plain(column) for column in columns}


def _is_single(file: Path, columns: list[str], names: Names) -> bool:
    """The three columns of one series (d3rlpy, TensorBoard's export), named by the file."""
    if len(columns) != 3:
        return False
    return [plain(column) for column in columns] == ["wall_time", "step", "value"] or (
        names.quantity(file.stem) is not None and all(_number(cell) for cell in columns)
    )


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def add_scalars_folder(folder: Path) -> bool:
    """Whether ``add_scalars(tag, {key: …})`` made ``folder``: named ``tag_key``, and its only series is ``tag``."""
    streams = [stream for stream in streams_in(folder) if stream.kind == "events"]
    tags = {scalar.tag for stream in streams for scalar in stream.head(PROBE)}
    return len(tags) == 1 and folder.name.startswith(next(iter(tags)).replace("/", "_") + "_")
