# SPDX-License-Identifier: Apache-2.0
"""Runs of our own loop in the way of writing of a library."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doctor_corpus import epochs, logs, more_logs
from doctor_corpus.own_td3 import Loop
from doctor_corpus.plan import Plan
from doctor_corpus.tags import TAGS
from doctor_corpus.tasks import TASKS, Policy

FILES: dict[str, type[logs.Log]] = {
    "spinningup": epochs.SpinningUp,
    "spinningup_events": epochs.SpinningUpEvents,
    "rllib": epochs.RLlib,
    "jsonl": more_logs.JsonLines,
    "mlflow": more_logs.MLflow,
    "d3rlpy": more_logs.D3rlpy,
}


def log_of(library: str, folder: Path, config: Mapping[str, Any]) -> logs.Log:
    """The log of a library's way of writing."""
    if library in FILES:
        return FILES[library](folder, config)
    kind = logs.AddScalars if library == "add_scalars" else logs.Events
    return kind(folder, config, TAGS[library])


def train(plan: Plan, folder: Path) -> Policy:
    """Train, and give back the deterministic policy."""
    config = {"env_id": TASKS[plan.task].id, "seed": plan.seed, "total_timesteps": plan.steps}
    config |= {"gamma": plan.option("gamma", 0.98), "batch_size": plan.option("batch", 64)}
    loop = Loop(plan, log_of(plan.library, folder, config))
    loop.run()
    return lambda observation: loop.scale * loop.learner.act(observation)
