# SPDX-License-Identifier: Apache-2.0
"""Loads trained policies from a run folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.pilot import ObservationBuilder
from td3_driving.driving.route import Route
from td3_driving.driving.state_vector import state_dim, state_elements
from td3_driving.evaluation.agents import Act, View
from td3_driving.learning.agent_state import actor_weights
from td3_driving.learning.best import BEST, best_weights
from td3_driving.learning.checkpoint import LATEST, Checkpoint, CheckpointError, load_checkpoint, read_checkpoint
from td3_driving.learning.inference import ActorPolicy
from td3_driving.learning.process import prepare_process
from td3_driving.runs.profiles import load_run
from td3_driving.settings import Settings


class LearnedAgent:
    """A deterministic policy: no exploration, no learning.

    Attributes:
        act: its decision function; see :data:`td3_driving.evaluation.agents.Act`.

    Args:
        settings: those that the policy was trained with.
        weights: the actor, as :func:`td3_driving.learning.weights.take_snapshot` packs it.

    Raises:
        WeightsError: the weights are corrupt or do not fit the settings.
    """

    def __init__(self, name: str, settings: Settings, weights: bytes) -> None:
        self.name = name
        self.observation_settings = settings.observation
        self._policy = ActorPolicy(settings, state_dim(settings.observation))
        self.version = self._policy.load(weights)
        self.act: Act = self._policy.act
        self._builder = ObservationBuilder(settings)

    @property
    def state_names(self) -> Sequence[str]:
        """Names of the elements of the state vector, in their order."""
        return [element.name for element in state_elements(self.observation_settings)]

    def start(self, route: Route, seed: int) -> None:
        self._builder.start(route, seed)

    def decide(self, view: View) -> NDArray[np.float32]:
        if view.frame is None:
            raise ValueError("a learned policy needs the camera")
        seen = self._builder.see(view.frame, view.vehicle).observation
        self._builder.last_action = self.act(seen.stack, seen.state)
        return self._builder.last_action


def run_settings(run: Path) -> Settings:
    """The configuration of a run folder.

    Raises:
        SettingsError: it has none, or one of another version of the program.
    """
    return load_run(run / "config.yaml")


def recorded_hash(run: Path, settings: Settings) -> str:
    """The configuration hash that the run was made with; later versions may hash the same settings differently."""
    try:
        return str(json.loads((run / "manifest.json").read_text(encoding="utf-8"))["config_hash"])
    except (OSError, ValueError, KeyError, TypeError):
        return settings.digest()


def weights_of(run: Path, settings: Settings, which: str = "auto") -> tuple[bytes, str]:
    """The actor of a run, and which checkpoint it is from.

    Args:
        which: ``best`` (by driving score), ``latest``, the name of a folder in ``checkpoints``, or ``auto``: the best
            if the run kept one, else the latest.

    Raises:
        CheckpointError: there is none, or it is corrupt.
    """
    folder, digest = run / "checkpoints", recorded_hash(run, settings)
    if which == "auto":
        which = BEST if (folder / BEST).is_dir() else LATEST
    if which == BEST:
        return best_weights(folder, digest), BEST
    checkpoint = newest_checkpoint(run, settings) if which == LATEST else read_checkpoint(folder / which, digest)
    damaged = f", {len(checkpoint.passed_over)} newer damaged" if checkpoint.passed_over else ""
    return actor_weights(checkpoint), f"update {checkpoint.state['updates']}{damaged}"


def newest_checkpoint(run: Path, settings: Settings) -> Checkpoint:
    """The newest checkpoint of a run that is not damaged.

    Raises:
        CheckpointError: there is none.
    """
    folder = run / "checkpoints"
    checkpoint = load_checkpoint(folder, recorded_hash(run, settings))
    if checkpoint is None:
        raise CheckpointError(f"{folder} holds no checkpoint")
    return checkpoint


def learned_agent(run: Path, which: str = "auto") -> LearnedAgent:
    """The policy of a run folder.

    Raises:
        SettingsError, CheckpointError, WeightsError: the folder holds no policy that can be used.
    """
    # One observation at a time gives further threads nothing to do but to spin.
    prepare_process(threads=1)
    settings = run_settings(run)
    weights, origin = weights_of(run, settings, which)
    return LearnedAgent(f"{run.resolve().name} ({origin})", settings, weights)
