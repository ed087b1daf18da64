# SPDX-License-Identifier: Apache-2.0
"""What a killed run must have left behind, looked at in a copy: the files of a run are written when they are opened."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors.numpy import load

from td3_driving.driving.state_vector import state_dim
from td3_driving.learning.checkpoint import CheckpointError, read_checkpoint
from td3_driving.learning.replay import ReplayMemory
from td3_driving.learning.trainer import Trainer
from td3_driving.runs.profiles import load_profile
from td3_driving.settings import Settings

CHECKPOINTS, REPLAY = "checkpoints", "replay"
Sent = tuple[int, int]
"""Session and sequence number of a step."""


@dataclass
class Remains:
    """What was found.

    Attributes:
        faults: what must not be, a sentence each.
        inserted: steps in the memory; updates: that they ask for.
        continued: digest of the weights of a learner that goes on from the newest checkpoint.
        unkilled: that of one that learns everything anew, as a learner that never died.
        torn: whether a kill fell into the writing of a step.
        in_flight: steps that were sent and that neither end has any more, because both died.
    """

    faults: list[str] = field(default_factory=list)
    inserted: int = 0
    updates: int = 0
    continued: str = ""
    unkilled: str = ""
    torn: bool = False
    in_flight: int = 0


class Bytes:
    """Sees that what once lay in the memory of a run stays there, bit by bit."""

    def __init__(self) -> None:
        self._count, self._digest = 0, ""

    def changed(self, memory: ReplayMemory) -> bool:
        """Whether slots that were there at the last call have other bytes; keeps those of ``memory``."""
        before = self._count > memory.used or _digest_of(memory, self._count) != self._digest
        changed = bool(self._count) and before
        self._count, self._digest = memory.used, _digest_of(memory, memory.used)
        return changed


def _digest_of(memory: ReplayMemory, count: int) -> str:
    store = memory._store
    return hashlib.sha256(store.frames[:count].tobytes() + store.records[:count].tobytes()).hexdigest()


@contextmanager
def copied(folder: Path, *parts: str) -> Iterator[Path]:
    """A copy of parts of a run folder."""
    with tempfile.TemporaryDirectory() as name:
        for part in parts:
            if (folder / part).is_dir():
                shutil.copytree(folder / part, Path(name) / part, symlinks=True)
        yield Path(name)


def examine(folder: Path, seen: Bytes, heard: Iterable[Sent]) -> Remains:
    """Look at the run in ``folder``, none of whose processes is alive.

    Args:
        seen: of this run.
        heard: the steps that anybody heard being sent in this run.
    """
    remains = Remains()
    if not (folder / REPLAY / "header.json").exists():
        return remains
    settings = load_profile(folder / "config.yaml")
    remains.faults += checkpoint_faults(folder / CHECKPOINTS, settings)
    with copied(folder, REPLAY) as copy:
        memory = ReplayMemory(settings, state_dim(settings.observation), copy / REPLAY)
        remains.inserted, remains.torn = memory.inserted, memory._store.begun > memory._store.committed
        if memory.faults.sentence():
            remains.faults.append(f"damaged memory: {memory.faults.sentence()}")
        if seen.changed(memory):
            remains.faults.append("stored steps have other bytes than before")
        remains.faults += order_faults(memory)
        remains.in_flight = count_in_flight(memory, heard)
    remains.updates, remains.continued = learned(folder, settings, CHECKPOINTS, REPLAY)
    _, remains.unkilled = learned(folder, settings, REPLAY)
    if remains.continued != remains.unkilled:
        remains.faults.append("the weights are not those of a learner that was never killed")
    return remains


def learned(folder: Path, settings: Settings, *parts: str) -> tuple[int, str]:
    """Updates and digest of the weights once a learner has done all that is due on a copy of ``parts``."""
    with copied(folder, *parts) as copy:
        trainer = Trainer(settings, copy, state_dim(settings.observation))
        trainer.run_due()
        return trainer.updates, weights_digest(trainer.trained_weights().data)


def weights_digest(data: bytes) -> str:
    """SHA-256 of the tensors in a message of weights, without the numbers that travel with them."""
    tensors = load(data)
    content = b"".join(name.encode() + tensors[name].tobytes() for name in sorted(tensors))
    return hashlib.sha256(content).hexdigest()


def checkpoint_faults(folder: Path, settings: Settings) -> list[str]:
    """Every checkpoint must be whole."""
    faults = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if not path.name.startswith("."):
            try:
                read_checkpoint(path, settings.digest())
            except CheckpointError as error:
                faults.append(str(error))
    return faults


def order_faults(memory: ReplayMemory) -> list[str]:
    """The numbers of each stream go up by one, and those of each episode."""
    faults, records = [], memory._store.records[: memory.used]
    steps = records[~records["final"]]
    for stream in np.unique(steps["stream"]):
        own = steps[steps["stream"] == stream]
        gaps = np.flatnonzero(np.diff(own["sequence"]) != 1)
        if len(gaps) or own["sequence"][0] != 0:
            faults.append(f"stream {stream}: {len(gaps)} gaps, begins with {own['sequence'][0]}")
        same = np.diff(own["episode"].astype(np.int64)) == 0
        if (np.diff(own["step"].astype(np.int64))[same] != 1).any():
            faults.append(f"stream {stream}: steps of an episode do not follow each other")
    if len(steps) != memory.inserted:
        faults.append(f"{memory.inserted} steps are counted, {len(steps)} stored")
    return faults


def count_in_flight(memory: ReplayMemory, heard: Iterable[Sent]) -> int:
    """Steps at the end of a session that were sent and never stored; :func:`order_faults` finds those before."""
    last = {session: end.sequence for (_, session), end in memory.stream_ends().items()}
    sent: dict[int, list[int]] = defaultdict(list)
    for session, sequence in heard:
        sent[session].append(sequence)
    return sum(sequence > last.get(session, -1) for session, numbers in sent.items() for sequence in numbers)
