# SPDX-License-Identifier: Apache-2.0
"""Drives a policy in the embedded world, without ROS and without a learner."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.drivers import Situation
from td3_driving.driving.episode import EpisodeRecord
from td3_driving.driving.observation import Observation
from td3_driving.driving.pilot import Pilot
from td3_driving.driving.state_vector import state_dim
from td3_driving.in_process.run import PilotedWorld
from td3_driving.learning.inference import ActorPolicy
from td3_driving.settings import AppearanceSettings, Settings


def evaluate_policy(settings: Settings, weights: bytes, seeds: Iterable[int]) -> list[EpisodeRecord]:
    """Drive one episode per seed with the deterministic policy: no exploration, no learning, a world of its own
    that looks nominal.

    Args:
        weights: the actor, as :func:`td3_driving.learning.weights.take_snapshot` packs it.
        seeds: of routes and traffic, 0 .. 2^32 - 1, the range that training draws its own from.

    Returns:
        The records in the order of ``seeds``. The policy stays in the lane where no record ends with OFF_LANE or
        WRONG_WAY; ``max_lateral`` and ``lane_invasions`` tell how near to it the policy came.

    Raises:
        WeightsError: the weights are corrupt or do not fit.
    """
    policy = ActorPolicy(settings, state_dim(settings.observation))
    version = policy.load(weights)
    scene = PilotedWorld(replace(settings, appearance=AppearanceSettings()))

    def choose(observation: Observation, _: Situation) -> tuple[NDArray[np.float32], int]:
        return policy.act(observation.stack, observation.state), version

    pilot = Pilot(settings, "evaluation", 0, choose)
    return [_drive_to_the_end(scene, pilot, seed) for seed in seeds]


def _drive_to_the_end(scene: PilotedWorld, pilot: Pilot, seed: int) -> EpisodeRecord:
    scene.start(pilot, seed)
    assert pilot.record is not None
    while True:
        frame, time_step = scene.look(pilot)
        scored = pilot.score(time_step, bool(frame.collisions))
        if scored is not None and scored.exit_reason is not None:
            return pilot.record
        scene.act(pilot, time_step)
