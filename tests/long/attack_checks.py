# SPDX-License-Identifier: Apache-2.0
"""What an attacked run must have left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from td3_driving.driving.state_vector import state_dim
from td3_driving.learning.replay import ReplayMemory
from td3_driving.runs.profiles import load_profile

from ..shared.patience import HANG
from .attacker import MARK, digest_of
from .kill_checks import REPLAY, Sent, copied

ACTOR = "actor_0"


def diagnosis_of(path: Path, report: Path) -> dict[str, Any]:
    """What the doctor says of a run or of its bag, as it is written to ``report``."""
    words = [sys.executable, "-m", "td3_driving.doctor.cli", str(path), "--brief", "--json", str(report)]
    answer = subprocess.run(words, capture_output=True, text=True, timeout=HANG)
    if not report.exists():
        return {"verdict": "none", "causes": [], "said": answer.stdout + answer.stderr}
    found: dict[str, Any] = json.loads(report.read_text())
    causes = [cause["cause"] for cause in found["causes"]]
    return {"verdict": found["verdict"], "causes": causes, "said": report.read_text() + answer.stderr}


def memory_faults(folder: Path, genuine: Mapping[Sent, int]) -> tuple[int, list[str]]:
    """Stored steps that were heard, and what in the memory no genuine actor has sent."""
    settings = load_profile(folder / "config.yaml")
    with copied(folder, REPLAY) as copy:
        memory = ReplayMemory(settings, state_dim(settings.observation), copy / REPLAY)
        streams = {number: key for key, number in memory._store._streams.items()}
        faults = {f"steps of {actor}" for actor, _ in streams.values() if actor != ACTOR}
        heard = 0
        for record, digest in _steps(memory):
            expected = genuine.get((streams[int(record["stream"])][1], int(record["sequence"])))
            heard += expected is not None
            if record["reward"] == MARK:
                faults.add(f"the forged step {record['sequence']} is stored")
            elif expected not in (None, digest):
                faults.add(f"step {record['sequence']} is not the one that was sent")
        return heard, sorted(faults)[:10]


def _steps(memory: ReplayMemory) -> Iterator[tuple[Any, int]]:
    """Every whole step in the memory with its digest."""
    store = memory._store
    for position in store.readable():
        slot = int(position) % store.capacity
        record = store.records[slot]
        if not record["final"]:
            yield record, digest_of(record["reward"], record["action"], store.frames[slot].tobytes())
