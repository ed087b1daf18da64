# SPDX-License-Identifier: Apache-2.0
"""Files without TensorBoard: JSON lines, MLflow's folders, d3rlpy's tables."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doctor_corpus.logs import Latest, Log


class JsonLines(Log):
    """One JSON object a line."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        super().__init__(folder, config)
        folder.mkdir(parents=True, exist_ok=True)
        self.file = (folder / "metrics.jsonl").open("w", encoding="utf-8")

    def _write(self, values: Mapping[str, float]) -> None:
        self.file.write(json.dumps(dict(values)) + "\n")

    def episode(self, step: int, total: float, length: int, info: Mapping[str, Any]) -> None:
        """Return and length."""
        self._write({"step": step, "episode_return": total, "episode_length": length})

    def update(self, step: int, updates: int, latest: Latest) -> None:
        """Losses and values."""
        names = {"actor_loss": "actor_loss", "critic_loss": "q1_loss", "q1_mean": "q1", "q2_mean": "q2"}
        self._write({"step": step} | {name: latest[key] for name, key in names.items() if key in latest})

    def close(self) -> None:
        """Ends the file."""
        self.file.close()


class MLflow(Log):
    """``mlruns/0/RUN/metrics/NAME`` with lines of time, value and step."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        super().__init__(folder, config)
        self.metrics = folder / "mlruns" / "0" / ("0f" * 16) / "metrics"
        self.metrics.mkdir(parents=True, exist_ok=True)
        (self.metrics.parent / "meta.yaml").write_text("run_name: td3\nstatus: 3\n", encoding="utf-8")

    def _write(self, name: str, value: float, step: int) -> None:
        path = self.metrics / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{int(1000 * time.time())} {value} {step}\n")

    def episode(self, step: int, total: float, length: int, info: Mapping[str, Any]) -> None:
        """Return and length."""
        self._write("episode_return", total, step)
        self._write("episode_length", length, step)

    def update(self, step: int, updates: int, latest: Latest) -> None:
        """Losses and values."""
        for name, key in {"actor_loss": "actor_loss", "critic_loss": "q1_loss", "q1": "q1"}.items():
            if key in latest:
                self._write(name, latest[key], step)


class D3rlpy(Log):
    """A table per metric, each line an epoch, a step and a value."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        super().__init__(folder, config)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "params.json").write_text(json.dumps({"algorithm": "TD3"} | self.config), encoding="utf-8")

    def _write(self, name: str, value: float, step: int) -> None:
        with (self.folder / f"{name}.csv").open("a", encoding="utf-8") as file:
            file.write(f"{step // 1000 + 1},{step},{value}\n")

    def episode(self, step: int, total: float, length: int, info: Mapping[str, Any]) -> None:
        """The return of the exploring policy."""
        self._write("rollout_return", total, step)

    def update(self, step: int, updates: int, latest: Latest) -> None:
        """Losses."""
        for name, key in {"actor_loss": "actor_loss", "critic_loss": "q1_loss"}.items():
            if key in latest:
                self._write(name, latest[key], step)

    def evaluation(self, step: int, total: float, length: float) -> None:
        """d3rlpy's ``environment.csv``."""
        self._write("environment", total, step)
