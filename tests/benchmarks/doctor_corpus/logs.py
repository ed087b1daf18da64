# SPDX-License-Identifier: Apache-2.0
"""The same run written as different libraries and their forks write it: tags, axes and files.

A log takes episodes, updates and evaluations of one training loop. Every class says whose way of writing it has.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from td3_driving.monitor.event_log import EventLog

Latest = Mapping[str, float]


class Log:
    """What a training loop tells; writes nothing."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self.folder, self.config = folder, dict(config)

    def episode(self, step: int, total: float, length: int, info: Mapping[str, Any]) -> None:
        """An episode ended at environment step ``step``."""

    def update(self, step: int, updates: int, latest: Latest) -> None:
        """The newest numbers of the learner."""

    def evaluation(self, step: int, total: float, length: float) -> None:
        """Means of an evaluation."""

    def close(self) -> None:
        """The run ends."""


@dataclass(frozen=True)
class Tags:
    """Under which tag a library writes what, and by what it counts.

    Attributes:
        episodes: tag to ``return``, ``length``, ``success`` or ``left_lane``.
        updates: tag to a number of the learner.
        evaluations: tag to ``return`` or ``length``.
        episode_axis: ``step`` or ``episode``.
        update_axis: ``step`` or ``update``.
    """

    episodes: Mapping[str, str] = field(default_factory=dict)
    updates: Mapping[str, str] = field(default_factory=dict)
    evaluations: Mapping[str, str] = field(default_factory=dict)
    episode_axis: str = "step"
    update_axis: str = "step"


class Events(Log):
    """Scalars in an event file."""

    def __init__(self, folder: Path, config: Mapping[str, Any], tags: Tags) -> None:
        super().__init__(folder, config)
        self.writer, self.tags = EventLog(folder), tags
        self.episodes, self.start = 0, time.monotonic()
        rows = "\n".join(f"|{key}|{value}|" for key, value in config.items())
        self.writer.text("hyperparameters", "|param|value|\n|-|-|\n" + rows)

    def _write(self, tags: Mapping[str, str], values: Mapping[str, Any], step: int) -> None:
        for tag, value in tags.items():
            if value in values:
                self.writer.scalars({tag: values[value]}, step)

    def episode(self, step: int, total: float, length: int, info: Mapping[str, Any]) -> None:
        """Return and length."""
        self.episodes += 1
        values = {"return": total, "length": length, "success": float(info.get("is_success", False))}
        values["left_lane"] = float(info.get("left_lane", False))
        self._write(self.tags.episodes, values, {"step": step, "episode": self.episodes}[self.tags.episode_axis])

    def update(self, step: int, updates: int, latest: Latest) -> None:
        """Losses and values."""
        values = dict(latest) | {"updates": updates, "speed": step / (time.monotonic() - self.start)}
        values["loss"] = values.get("q1_loss", 0.0) + values.get("q2_loss", 0.0)
        values["half_loss"], values["lr"] = values["loss"] / 2.0, self.config.get("lr", 1e-3)
        self._write(self.tags.updates, values, {"step": step, "update": updates}[self.tags.update_axis])

    def evaluation(self, step: int, total: float, length: float) -> None:
        """Means of an evaluation."""
        self._write(self.tags.evaluations, {"return": total, "length": length}, step)

    def close(self) -> None:
        """Flushes."""
        self.writer.close()


class AddScalars(Events):
    """As ``add_scalars`` of PyTorch's writer: every curve of a group has an event file in a folder of its own."""

    def __init__(self, folder: Path, config: Mapping[str, Any], tags: Tags) -> None:
        super().__init__(folder, config, tags)
        self.curves = {name: EventLog(folder / name) for name in ("losses_actor", "losses_critic", "q_q1", "q_q2")}

    def update(self, step: int, updates: int, latest: Latest) -> None:
        """One point of each curve, under the name of its group."""
        for name, key in zip(self.curves, ("actor_loss", "q1_loss", "q1", "q2")):
            self.curves[name].scalars({name.split("_")[0]: latest[key]}, step)

    def close(self) -> None:
        """Flushes."""
        super().close()
        for curve in self.curves.values():
            curve.close()
