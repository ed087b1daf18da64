# SPDX-License-Identifier: Apache-2.0
"""Which column of a table counts environment steps, and which one holds the time.

Environment steps are preferred to updates, updates to iterations, iterations to the number of the row.
"""

from __future__ import annotations

import re
from typing import Iterable, Mapping

STEP_COLUMNS = (
    "time_total_timesteps",
    "total_timesteps",
    "totalenvinteracts",
    "num_env_steps_sampled_lifetime",
    "timesteps_total",
    "num_env_steps_sampled",
    "environment_steps",
    "env_steps",
    "env_step",
    "train_env_step",
    "global_step",
    "timesteps",
    "timestep",
    "total_steps",
    "num_timesteps",
    "steps",
    "step",
    "_step",
    "trainer_global_step",
    "training_iteration",
    "iteration",
    "epoch",
    "episode",
)
WALL_COLUMNS = (
    "_timestamp",
    "time_time_elapsed",
    "time_total_s",
    "timestamp",
    "wall_time",
    "_runtime",
    "time",
)
_OTHER_AXES = frozenset({"time_this_iter_s", "time_since_restore", "iterations_since_restore", "pid"})


def plain(column: str) -> str:
    """A column's name in lower case with ``_`` between words."""
    return re.sub(r"[^a-z0-9]+", "_", column.strip().casefold()).rstrip("_")


class Axes:
    """The step and time columns among ``columns``; ``""`` where there is none."""

    def __init__(self, columns: Iterable[str]) -> None:
        names: dict[str, str] = {}
        for column in columns:
            names.setdefault(plain(column), column)
        self.step = _first(STEP_COLUMNS, names)
        self.wall = _first(WALL_COLUMNS, names)
        axes = {*STEP_COLUMNS, *WALL_COLUMNS, *_OTHER_AXES}
        self.others = frozenset(column for name, column in names.items() if name in axes)


def _first(wanted: Iterable[str], names: Mapping[str, str]) -> str:
    return next((names[name] for name in wanted if name in names), "")
