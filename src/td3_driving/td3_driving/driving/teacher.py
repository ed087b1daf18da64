# SPDX-License-Identifier: Apache-2.0
"""The driver that shows the policy in training what to do."""

from __future__ import annotations

from td3_driving.driving.episode_driver import EpisodeDriver, episode_driver
from td3_driving.settings import Settings


def make_teacher(settings: Settings) -> EpisodeDriver | None:
    """The driver that shows the policy what to do; ``None`` where the settings ask for none."""
    name, speed, frame_time = settings.learning.teacher, settings.reward.target_speed, settings.simulator.fixed_delta
    if name == "none":
        return None
    return episode_driver(name, speed, frame_time, settings.run.seed, "learning.teacher")
