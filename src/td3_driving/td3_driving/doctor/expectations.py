# SPDX-License-Identifier: Apache-2.0
"""What was asked of a run: from its configuration, from ``--config`` or from ``--expect KEY=VALUE``.

The doctor compares these values with what it measures, and never reports them as results. Keys of other libraries are
translated to ours (``policy_freq`` is ``policy_delay``; ``learning_rate`` holds for both networks).
"""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path
from typing import Any, Iterable, Mapping

from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.readers.bounds import load_yaml, small_text

# our name -> (group of our settings, other names)
KEYS: dict[str, tuple[str, tuple[str, ...]]] = {
    "steps": ("run", ("total_timesteps", "max_timesteps", "total_steps", "max_steps_total")),
    "learning_starts": ("pacing", ("start_timesteps", "learning_start", "start_steps")),
    "train_freq": ("pacing", ("train_frequency", "update_every")),
    "gradient_steps": ("pacing", ("updates_per_burst", "utd_ratio")),
    "policy_delay": ("learning", ("policy_freq", "policy_frequency", "actor_update_frequency")),
    "gamma": ("learning", ("discount", "discount_factor")),
    "tau": ("learning", ()),
    "batch_size": ("learning", ()),
    "actor_lr": ("learning", ("actor_mlp_lr", "actor_learning_rate", "lr_actor")),
    "critic_lr": ("learning", ("critic_mlp_lr", "critic_learning_rate", "lr_critic")),
    "actor_cnn_lr": ("learning", ()),
    "critic_cnn_lr": ("learning", ()),
    "actor_max_norm": ("learning", ("actor_grad_clip", "max_norm_actor")),
    "critic_max_norm": ("learning", ("critic_grad_clip", "max_norm_critic")),
    "saturation_penalty": ("learning", ()),
    "reward_clip": ("learning", ()),
    "reward_scaling": ("learning", ()),
    "algorithm": ("learning", ("algo", "algo_name")),
    "env": ("run", ("env_id", "env_name", "environment_id", "task_name")),
    "random_steps": ("exploration", ()),
    "teacher": ("learning", ()),
    "max_steps": ("episode", ("max_episode_steps", "max_ep_length")),
    "standstill_steps": ("episode", ()),
    "log_period": ("run", ()),
}
TEXTS = frozenset({"algorithm", "env", "teacher"})
BOTH_NETWORKS = {"learning_rate": ("actor_lr", "critic_lr"), "lr": ("actor_lr", "critic_lr")}
IGNORED_GROUPS = frozenset({"simulator", "observation", "reward", "network", "replay", "diagnostics"})


def _names() -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for key, (group, others) in KEYS.items():
        for name in (key, *others):
            table[name] = table[f"{group}.{name}"] = (key,)
    return {**table, **BOTH_NETWORKS}


NAMES = _names()


class Expectations:
    """Values that were asked for, by our names."""

    def __init__(self, values: Mapping[str, Any] | None = None, source: str = "") -> None:
        self.values: dict[str, float | str] = {}
        self.sources: dict[str, str] = {}
        self.merge(values or {}, source)

    def merge(self, values: Mapping[str, Any], source: str, weak: bool = False) -> None:
        """Take over the known keys of ``values``. Unknown keys, and texts that are no numbers, are left out.

        Args:
            values: by our names, by other libraries' names, or as ``group.name``.
            source: where they come from.
            weak: keep what is already known instead of replacing it.
        """
        for key, value in values.items():
            for name in NAMES.get(key, ()):
                converted = _convert(name, value)
                if converted is not None and not (weak and name in self.values):
                    self.values[name] = converted
                    self.sources[name] = source

    def number(self, key: str) -> float | None:
        """The value asked for ``key``, or ``None`` where nothing was asked."""
        value = self.values.get(key)
        return value if isinstance(value, float) else None

    def text(self, key: str) -> str:
        """The text asked for ``key``, or an empty one."""
        value = self.values.get(key)
        return value if isinstance(value, str) else ""

    @property
    def updates_per_step(self) -> float | None:
        """Updates asked per environment step; Stable-Baselines3's ``gradient_steps=-1`` means as many as steps."""
        frequency, updates = self.number("train_freq"), self.number("gradient_steps")
        if frequency is None or frequency <= 0:
            return None
        if updates is not None and updates < 0:
            return 1.0
        return (1.0 if updates is None else updates) / frequency


def _convert(name: str, value: Any) -> float | str | None:
    if name in TEXTS:
        return str(value) if isinstance(value, (str, int, float)) else None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def parse_expect(pairs: Iterable[str]) -> dict[str, str]:
    """``["train_freq=50", …]`` as a mapping.

    Raises:
        Unusable: a pair has no ``=``, its key is unknown, or its value is no number.
    """
    values: dict[str, str] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator:
            raise Unusable(f"--expect {pair!r} is not of the form KEY=VALUE")
        if key not in NAMES:
            near = difflib.get_close_matches(key, NAMES, n=1)
            raise Unusable(f"--expect {key!r} is not known" + (f"; did you mean {near[0]!r}?" if near else ""))
        if _convert(NAMES[key][0], value) is None:
            raise Unusable(f"--expect {key}: {value!r} is not a number")
        values[key] = value
    return values


def read_config(path: Path) -> dict[str, Any]:
    """The flat ``{"group.name": value}`` of a YAML or JSON file: a ROS parameter file, nested or flat.

    Raises:
        Unusable: the file cannot be read or is no mapping.
    """
    try:
        return parse_config(small_text(path))
    except Unusable:
        raise
    except ValueError as error:
        raise Unusable(f"{path} is not a configuration: {str(error).splitlines()[0]}") from error


def parse_config(text: str) -> dict[str, Any]:
    """Read a text in an event file like :func:`read_config`; it may be a Markdown code block or a table too."""
    rows = re.findall(r"^\|([^|]+)\|([^|]*)\|\s*$", text, flags=re.MULTILINE)
    if rows:
        return {key.strip(): value.strip() for key, value in rows}
    text = re.sub(r"^\s*```\w*\s*$", "", text, flags=re.MULTILINE)
    try:
        loaded = json.loads(text) if text.lstrip().startswith("{") else load_yaml(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(loaded, Mapping):
        raise ValueError("it holds no mapping")
    return dict(_flatten(loaded, ""))


def _flatten(node: Mapping[Any, Any], prefix: str) -> Iterable[tuple[str, Any]]:
    for key, value in node.items():
        name = str(key)
        if name.startswith("/") or name == "ros__parameters":
            path = prefix
        else:
            path = f"{prefix}.{name}" if prefix else name
        if isinstance(value, Mapping):
            yield from _flatten(value, path)
        else:
            yield _known_name(path), value


def _known_name(path: str) -> str:
    """``path`` itself if it is one of our names, else its last segments if they are a known name."""
    if path in NAMES:
        return path
    *parents, last = path.split(".")
    if parents and parents[0] in IGNORED_GROUPS:
        return path
    network = next((name for name in ("actor", "critic") if any(name in parent for parent in parents)), "")
    if network and last in BOTH_NETWORKS:
        return f"{network}_cnn_lr" if any("cnn" in parent for parent in parents) else f"{network}_lr"
    return last if last in NAMES else path
