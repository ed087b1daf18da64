# SPDX-License-Identifier: Apache-2.0
"""Makes the runs one after another, measures the final policy of each, and keeps those whose truth is clear."""

from __future__ import annotations

import importlib
import json
import shutil
import time
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from doctor_corpus.plan import Plan
from doctor_corpus.tasks import measured

MODULES = {"sb3": "with_sb3", "skrl": "with_skrl"}


def make(plans: Iterable[Plan], folder: Path, held_out: Path) -> None:
    """Makes what is not there yet; ``truth.json`` of both folders is kept up after every run."""
    for plan in plans:
        home = held_out if plan.held_out else folder
        if plan.name in _read(home / "truth.json") or plan.name in _read(home / "dropped.json"):
            continue
        start = time.monotonic()
        try:
            score = _train(plan, home / plan.name)
        except Exception:  # noqa: BLE001 - one run that a library refuses must not cost the others
            print(f"FAILED  {plan.name}\n{traceback.format_exc()}", flush=True)
            shutil.rmtree(home / plan.name, ignore_errors=True)
            continue
        _keep(plan, home, score, time.monotonic() - start)


def _keep(plan: Plan, home: Path, score: float, seconds: float) -> None:
    entry = _entry(plan, score) | {"seconds": round(seconds, 1)}
    clear = plan.agrees(score)
    add_truths(home, {plan.name: entry}, "truth.json" if clear else "dropped.json")
    print(f"{'kept   ' if clear else 'DROPPED'} {score:9.2f} {seconds:6.1f}s {plan.name}", flush=True)
    if not clear:
        shutil.move(str(home / plan.name), _fresh(home / ".dropped" / plan.name))


def _train(plan: Plan, folder: Path) -> float:
    module = importlib.import_module(f"doctor_corpus.{MODULES.get(plan.library, 'with_own')}")
    folder = Path(_fresh(folder))
    policy = module.train(plan, folder)
    if plan.kind == "cut_off":
        _cut(folder, plan.option("share", 0.25))
    with np.errstate(all="ignore"):
        return measured(plan.task, policy)


def _fresh(folder: Path) -> str:
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return str(folder)


def _cut(folder: Path, share: float) -> None:
    """Leaves the first ``share`` of every file, as a full disk or a killed process does."""
    for file in folder.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            file.write_bytes(data[: int(share * len(data)) + 3])


def _entry(plan: Plan, score: float) -> dict[str, Any]:
    kept = {"truth": plan.truth, "kind": plan.kind, "library": plan.library, "algorithm": plan.algorithm}
    return kept | {"task": plan.task, "steps": plan.steps, "final_return": None if score != score else round(score, 2)}


def add_truths(folder: Path, entries: dict[str, Any], file: str = "truth.json") -> None:
    """Adds to ``truth.json`` of ``folder``."""
    path = folder / file
    _write(path, _read(path) | entries)


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")
    fresh.replace(path)
