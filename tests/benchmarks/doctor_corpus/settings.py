# SPDX-License-Identifier: Apache-2.0
"""Settings that several runs of the table share."""

from __future__ import annotations

from typing import Any

from doctor_corpus.plan import Plan

PPO: dict[str, Any] = {"settings": {"n_steps": 512, "n_epochs": 8}, "lr": 1e-3}
DQN: dict[str, Any] = {
    "settings": {
        "train_freq": 64,
        "gradient_steps": 32,
        "target_update_interval": 10,
        "learning_starts": 1000,
        "exploration_fraction": 0.16,
        "exploration_final_eps": 0.04,
        "batch_size": 64,
    },
    "lr": 2.3e-3,
    "log_interval": 10,
}


def plan(library: str, algorithm: str, task: str, kind: str, steps: int, seed: int = 0, **options: Any) -> Plan:
    """A run of the table."""
    return Plan(library, algorithm, task, kind, steps, seed, options)
