# SPDX-License-Identifier: Apache-2.0
"""Logs of whole epochs: SpinningUp's ``progress.txt`` and RLlib's ``result.json``."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doctor_corpus.logs import Latest, Log
from td3_driving.monitor.event_log import EventLog


class Epochs(Log):
    """Collects an epoch of ``epoch`` steps at a time, as SpinningUp and RLlib do."""

    epoch = 500

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        super().__init__(folder, config)
        folder.mkdir(parents=True, exist_ok=True)
        self.number, self.start = 0, time.monotonic()
        self.episodes: list[tuple[float, int]] = []
        self.updates: list[dict[str, float]] = []
        self.tests: tuple[float, float] = (float("nan"), float("nan"))
        self.due = self.epoch

    def episode(self, step: int, total: float, length: int, info: Mapping[str, Any]) -> None:
        """Kept for the end of the epoch."""
        self.episodes.append((total, length))

    def evaluation(self, step: int, total: float, length: float) -> None:
        """Kept for the end of the epoch."""
        self.tests = (total, length)

    def update(self, step: int, updates: int, latest: Latest) -> None:
        """Ends the epoch when it is due and has an episode."""
        self.updates.append(dict(latest))
        if step >= self.due and self.episodes:
            self.number += 1
            self.due += self.epoch
            self.end(step)
            self.episodes, self.updates = [], []

    def end(self, step: int) -> None:
        """Writes the epoch."""


class SpinningUp(Epochs):
    """``progress.txt`` and ``config.json`` of SpinningUp's TD3."""

    def end(self, step: int) -> None:
        """One tab-separated line."""
        row = self.row(step)
        with (self.folder / "progress.txt").open("a", encoding="utf-8") as file:
            if self.number == 1:
                file.write("\t".join(row) + "\n")
                (self.folder / "config.json").write_text(json.dumps(self.config, indent=4), encoding="utf-8")
            file.write("\t".join(str(value) for value in row.values()) + "\n")

    def row(self, step: int) -> dict[str, Any]:
        """The columns of SpinningUp's logger."""
        returns, lengths = np.array(self.episodes).T
        row: dict[str, Any] = {"Epoch": self.number}
        row |= _spread("EpRet", returns) | _spread("TestEpRet", np.full(2, self.tests[0]))
        row |= {"EpLen": lengths.mean(), "TestEpLen": self.tests[1], "TotalEnvInteracts": step}
        for tag, key in (("Q1Vals", "q1"), ("Q2Vals", "q2")):
            row |= _spread(tag, np.array([update[key] for update in self.updates]))
        row["LossPi"] = np.mean([update.get("actor_loss", np.nan) for update in self.updates])
        row["LossQ"] = np.mean([update["q1_loss"] + update["q2_loss"] for update in self.updates])
        return row | {"Time": time.monotonic() - self.start}


def _spread(name: str, values: NDArray[np.float64]) -> dict[str, float]:
    statistics = {"Average": values.mean(), "Std": values.std(), "Max": values.max(), "Min": values.min()}
    return {f"{statistic}{name}": float(value) for statistic, value in statistics.items()}


class SpinningUpEvents(SpinningUp):
    """The same columns as scalars in an event file."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        super().__init__(folder, config)
        self.writer = EventLog(folder)

    def end(self, step: int) -> None:
        """One scalar per column."""
        for tag, value in self.row(step).items():
            self.writer.scalars({tag: value}, step)

    def close(self) -> None:
        """Flushes."""
        self.writer.close()


class RLlib(Epochs):
    """``result.json`` and ``progress.csv`` of RLlib."""

    def end(self, step: int) -> None:
        """One line in both."""
        row = self.row(step)
        with (self.folder / "result.json").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        flat = _flat(row)
        with (self.folder / "progress.csv").open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, flat)
            if self.number == 1:
                writer.writeheader()
            writer.writerow(flat)

    def row(self, step: int) -> dict[str, Any]:
        """The keys of RLlib's old stack."""
        returns, lengths = np.array(self.episodes).T
        learner = {"actor_loss": "actor_loss", "critic_loss": "q1_loss", "mean_q": "q1", "max_q": "q_max"}
        stats = {key: float(np.mean([u.get(name, np.nan) for u in self.updates])) for key, name in learner.items()}
        return {
            "episode_reward_mean": float(returns.mean()),
            "episode_reward_min": float(returns.min()),
            "episode_reward_max": float(returns.max()),
            "episode_len_mean": float(lengths.mean()),
            "episodes_this_iter": len(returns),
            "timesteps_total": step,
            "training_iteration": self.number,
            "time_total_s": time.monotonic() - self.start,
            "info": {"learner": {"default_policy": {"learner_stats": stats}}},
        }


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}/") if isinstance(value, Mapping) else {prefix + key: value}
    return flat
