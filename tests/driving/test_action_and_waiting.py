# SPDX-License-Identifier: Apache-2.0
"""Pedals, and the account of a wait."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.driving.action import to_command
from td3_driving.driving.waiting import Waiting


def test_one_axis_is_throttle_or_brake() -> None:
    command = to_command(np.array([0.25, 0.5]))
    assert (command.steer, command.throttle, command.brake) == (0.25, 0.5, 0.0)
    command = to_command(np.array([-1.0, -0.75]))
    assert (command.steer, command.throttle, command.brake) == (-1.0, 0.0, 0.75)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=0, max_size=4))
def test_a_command_is_within_its_limits_or_refused(values: list[float]) -> None:
    action = np.array(values)
    if len(values) != 2 or not np.isfinite(action).all():
        with pytest.raises(ValueError, match="finite vector"):
            to_command(action)
        return
    command = to_command(action)
    assert 0.0 <= command.throttle <= 1.0 and 0.0 <= command.brake <= 1.0 and -1.0 <= command.steer <= 1.0
    assert command.throttle == 0.0 or command.brake == 0.0


def test_a_wait_is_reported_once_and_given_up() -> None:
    waiting = Waiting(timeout=60.0)
    waiting.begin("weights", now=100.0)
    assert waiting.report(101.9) == ""
    assert "waiting for weights" in waiting.report(102.1)
    assert waiting.report(103.0) == ""
    waiting.begin("weights", now=150.0)
    assert waiting.age(150.0) == 50.0
    assert not waiting.expired(159.0) and waiting.expired(160.1)
    waiting.end()
    assert not waiting.expired(1e9) and waiting.report(1e9) == ""


def test_another_reason_starts_anew() -> None:
    waiting = Waiting(timeout=60.0)
    waiting.begin("weights", now=0.0)
    waiting.begin("a reset", now=50.0)
    assert not waiting.expired(100.0)
