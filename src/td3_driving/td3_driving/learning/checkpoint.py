# SPDX-License-Identifier: Apache-2.0
"""Writes and reads checkpoints. Each is a folder, complete or absent, with nothing executable inside.

``checkpoints/000001000/`` holds ``tensors.safetensors`` (networks, optimizers, generators) and ``state.json``
(counters, configuration hash, length and SHA-256 of the tensors, SHA-256 of all of that); ``checkpoints/latest`` links
to the newest. Where the newest is damaged, the one before it is read.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from td3_driving.learning.host_copy import host_copies
from td3_driving.learning.weights import sha256_of

FORMAT = 2
READABLE = (1, FORMAT)
"""Formats that are read; the first has neither a length nor a checksum of its state."""
KEPT = 3
LATEST = "latest"
DROPPED = ".dropped-"
"""Begins the name of a checkpoint that is being removed."""


class CheckpointError(RuntimeError):
    """A checkpoint is corrupt or belongs to another run."""


class DamagedCheckpoint(CheckpointError):
    """A checkpoint is not as it was written."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Tensors by name, and everything else as plain data.

    Attributes:
        passed_over: why each newer checkpoint was not read.
    """

    tensors: dict[str, torch.Tensor]
    state: dict[str, Any]
    passed_over: tuple[str, ...] = ()


def save_checkpoint(
    directory: Path, updates: int, config_hash: str, tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]
) -> Path:
    """Write a checkpoint into ``directory``, let ``latest`` point to it, and remove all but the newest three.

    If the process dies half-way, or the disk is full, the checkpoints before it stay as they were.

    Raises:
        OSError: it cannot be written.
    """
    target, building = directory / f"{updates:09d}", directory / f".building-{updates:09d}"
    _finish_drops(directory)
    data = save_tensors(host_copies(tensors))
    facts = {"config_hash": config_hash, "updates": updates, "bytes": len(data), "sha256": sha256_of(data)}
    content = {"format": FORMAT, **facts, **state}
    content["checksum"] = _checksum(content)
    shutil.rmtree(building, ignore_errors=True)
    try:
        building.mkdir(parents=True)
        _write(building / "tensors.safetensors", data)
        _write(building / "state.json", json.dumps(content).encode())
        if target.exists():
            _drop(target)
        building.replace(target)
    except OSError:
        shutil.rmtree(building, ignore_errors=True)
        raise
    _point(directory / LATEST, target.name)
    for old in sorted(_complete(directory))[:-KEPT]:
        _drop(directory / old)
    return target


def load_checkpoint(directory: Path, config_hash: str) -> Checkpoint | None:
    """The newest checkpoint in ``directory`` that is not damaged; ``None`` if there is none at all.

    Raises:
        CheckpointError: all are damaged, or the newest that is not was written under another configuration.
    """
    names = sorted(_complete(directory), reverse=True) if directory.is_dir() else []
    passed_over: list[str] = []
    for name in names:
        try:
            return replace(read_checkpoint(directory / name, config_hash), passed_over=tuple(passed_over))
        except DamagedCheckpoint as error:
            passed_over.append(str(error))
    if passed_over:
        raise CheckpointError(f"no checkpoint is left that is not damaged: {'; '.join(passed_over)}")
    return None


def read_checkpoint(path: Path, config_hash: str) -> Checkpoint:
    """The checkpoint in the folder ``path``.

    Raises:
        DamagedCheckpoint: it is not as it was written, or holds numbers that are not finite.
        CheckpointError: it was written under another configuration.
    """
    try:
        state = json.loads((path / "state.json").read_text())
        data = (path / "tensors.safetensors").read_bytes()
    except (OSError, ValueError) as error:
        raise DamagedCheckpoint(f"checkpoint {path} is not readable: {error}") from error
    _check(path, state, data, config_hash)
    try:
        tensors = load_tensors(data)
    except SafetensorError as error:
        raise DamagedCheckpoint(f"checkpoint {path} is corrupt: {error}") from error
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise DamagedCheckpoint(f"checkpoint {path} is of no use: {name} is not finite")
    return Checkpoint(tensors, state)


def _check(path: Path, state: Any, data: bytes, config_hash: str) -> None:
    if not isinstance(state, dict) or state.get("format") not in READABLE:
        raise DamagedCheckpoint(f"checkpoint {path} is not of format {FORMAT}")
    checked = {key: value for key, value in state.items() if key != "checksum"}
    if ("checksum" in state or state["format"] == FORMAT) and state.get("checksum") != _checksum(checked):
        raise DamagedCheckpoint(f"checkpoint {path} is corrupt: the checksum of state.json is not the one on record")
    if state.get("config_hash") != config_hash:
        found = str(state.get("config_hash"))[:12]
        raise CheckpointError(
            f"checkpoint {path} was written under configuration {found}, this run has {config_hash[:12]}"
        )
    if state.get("bytes", len(data)) != len(data):
        raise DamagedCheckpoint(
            f"checkpoint {path} is corrupt: its tensors have {len(data):,} bytes, {state['bytes']:,} were written"
        )
    if state.get("sha256") != sha256_of(data):
        raise DamagedCheckpoint(f"checkpoint {path} is corrupt: the SHA-256 of its tensors is not the one on record")


def _checksum(content: Mapping[str, Any]) -> str:
    """SHA-256 of ``content`` as JSON gives it back, with sorted keys."""
    return sha256_of(json.dumps(json.loads(json.dumps(dict(content))), sort_keys=True).encode())


def _complete(directory: Path) -> list[str]:
    return [entry.name for entry in directory.iterdir() if entry.name.isdigit() and entry.is_dir()]


def _drop(path: Path) -> None:
    """Remove a checkpoint; a process that dies half-way leaves none that looks damaged."""
    dropped = path.with_name(f"{DROPPED}{path.name}")
    shutil.rmtree(dropped, ignore_errors=True)
    path.replace(dropped)
    shutil.rmtree(dropped)


def _finish_drops(directory: Path) -> None:
    """Remove what a process that died left half removed."""
    for left in directory.glob(f"{DROPPED}*"):
        shutil.rmtree(left, ignore_errors=True)


def _write(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _point(link: Path, target: str) -> None:
    """Make ``link`` point to ``target``; it never points to nothing."""
    new = link.with_name(f".{link.name}-new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)
