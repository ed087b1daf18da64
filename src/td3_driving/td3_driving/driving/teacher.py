# SPDX-License-Identifier: Apache-2.0
"""The driver that shows the policy in training what to do."""

from __future__ import annotations

from td3_driving.driving.drivers import Driver, reference_driver
from td3_driving.settings import Settings


def make_teacher(settings: Settings) -> Driver | None:
    """The driver that shows the policy what to do; ``None`` where the settings ask for none."""
    if settings.learning.teacher == "none":
        return None
    teacher = reference_driver(settings.learning.teacher, "learning.teacher")
    return teacher.make(settings.reward.target_speed, settings.simulator.fixed_delta, settings.run.seed)
