# SPDX-License-Identifier: Apache-2.0
"""Writes and reads checkpoints. Each is a folder, complete or absent, with nothing executable inside.

``checkpoints/000001000/`` holds ``tensors.safetensors`` (networks, optimizers, generators) and ``state.json``
(counters, configuration hash, SHA-256 of the tensors); ``checkpoints/latest`` links to the newest.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from td3_driving.learning.weights import sha256_of

FORMAT = 1
KEPT = 3
LATEST = "latest"


class CheckpointError(RuntimeError):
    """A checkpoint is corrupt or belongs to another run."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Tensors by name, and everything else as plain data."""

    tensors: dict[str, torch.Tensor]
    state: dict[str, Any]


def save_checkpoint(
    directory: Path, updates: int, config_hash: str, tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]
) -> Path:
    """Write a checkpoint into ``directory``, let ``latest`` point to it, and remove all but the newest three.

    If the process dies half-way, the checkpoints before it stay as they were.
    """
    target, building = directory / f"{updates:09d}", directory / f".building-{updates:09d}"
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    data = save_tensors({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    content = {"format": FORMAT, "config_hash": config_hash, "updates": updates, "sha256": sha256_of(data), **state}
    _write(building / "tensors.safetensors", data)
    _write(building / "state.json", json.dumps(content).encode())
    if target.exists():
        shutil.rmtree(target)
    building.replace(target)
    _point(directory / LATEST, target.name)
    for old in sorted(_complete(directory))[:-KEPT]:
        shutil.rmtree(directory / old)
    return target


def load_checkpoint(directory: Path, config_hash: str) -> Checkpoint | None:
    """The newest checkpoint in ``directory``; ``None`` if there is none.

    Raises:
        CheckpointError: it is corrupt, or was written under another configuration.
    """
    names = sorted(_complete(directory)) if directory.is_dir() else []
    return read_checkpoint(directory / names[-1], config_hash) if names else None


def read_checkpoint(path: Path, config_hash: str) -> Checkpoint:
    """The checkpoint in the folder ``path``.

    Raises:
        CheckpointError: it is corrupt, or was written under another configuration.
    """
    try:
        state = json.loads((path / "state.json").read_text())
        data = (path / "tensors.safetensors").read_bytes()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"checkpoint {path} is not readable: {error}") from error
    _check(path, state, data, config_hash)
    try:
        return Checkpoint(load_tensors(data), state)
    except SafetensorError as error:
        raise CheckpointError(f"checkpoint {path} is corrupt: {error}") from error


def _check(path: Path, state: Any, data: bytes, config_hash: str) -> None:
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(f"checkpoint {path} is not of format {FORMAT}")
    if state.get("config_hash") != config_hash:
        found = str(state.get("config_hash"))[:12]
        raise CheckpointError(
            f"checkpoint {path} was written under configuration {found}, this run has {config_hash[:12]}"
        )
    if state.get("sha256") != sha256_of(data):
        raise CheckpointError(f"checkpoint {path} is corrupt: the SHA-256 of its tensors is not the one on record")


def _complete(directory: Path) -> list[str]:
    return [entry.name for entry in directory.iterdir() if entry.name.isdigit() and entry.is_dir()]


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
