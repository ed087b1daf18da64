# SPDX-License-Identifier: Apache-2.0
"""Steps that the learner waits for are sent again; and no loss at random leaves a gap."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from td3_driving.driving.experience import Experience
from td3_driving.learning.intake import ExperienceIntake
from td3_driving.learning.replay import ReplayMemory
from td3_driving.learning.resend import BATCH, PATIENCE, SentSteps
from td3_driving.settings import Settings

STATE_DIM = 3


def filled(count: int, most: int = 10**6) -> SentSteps:
    steps = SentSteps(most)
    for number in range(count):
        steps.keep(number.to_bytes(4, "little"))
    return steps


def numbers(sent: list[bytes]) -> list[int]:
    return [int.from_bytes(data, "little") for data in sent]


def test_what_the_learner_waits_for_is_sent_again_after_the_patience() -> None:
    steps = filled(10)
    assert steps.due(7, True, 0.0) == steps.due(7, True, PATIENCE / 2) == []
    assert numbers(steps.due(7, True, PATIENCE)) == [7, 8, 9]
    assert steps.due(7, True, PATIENCE * 1.5) == [], "once per patience"


def test_a_learner_that_works_or_moves_on_is_left_alone() -> None:
    steps = filled(10)
    for second in range(10):
        assert steps.due(second, True, 10.0 * second) == []
    for second in range(10):
        assert steps.due(3, False, 10.0 * second) == []
    for second in range(10):
        assert steps.due(10, True, 10.0 * second) == []


def test_the_memory_is_bounded_and_what_is_gone_is_gone() -> None:
    steps = filled(1000, most=400)
    assert (steps.oldest, steps.sent) == (900, 1000)
    assert steps.due(899, True, 0.0) == []
    assert len(steps.due(899, True, 100.0)) == 100, "all that is kept follows those that are gone"
    steps.due(900, True, 200.0)
    assert numbers(steps.due(900, True, 300.0)) == list(range(900, 1000))
    long = filled(3000)
    long.due(0, True, 0.0)
    assert len(long.due(0, True, 100.0)) == BATCH


@hypothesis_settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.0, 0.9))
def test_whatever_is_lost_the_memory_gets_every_step_in_its_order(
    small: Callable[..., Settings], message: Callable[..., Experience], seed: int, share: float
) -> None:
    """A wire that loses a share of all messages, also of those that are sent again."""
    settings, rng = small(), np.random.default_rng(seed)
    memory = ReplayMemory(settings, STATE_DIM, None)
    intake, steps, now = ExperienceIntake(settings, STATE_DIM, memory, heal=True), filled(0), 0.0
    course = [message(settings, number, number) for number in range(40)]

    def wire(data: bytes) -> None:
        if rng.random() >= share:
            intake.accept(course[int.from_bytes(data, "little")])

    for number in range(len(course)):
        data = number.to_bytes(4, "little")
        steps.keep(data)
        wire(data)
    while intake.counters.inserted < len(course):
        now += PATIENCE
        expected = [expected for _, _, expected, _ in intake.expected()] or [0]
        for data in steps.due(expected[0], True, now):
            wire(data)
    counters = intake.counters
    assert counters.received == counters.inserted + counters.duplicate
    assert memory.gather(memory.sampleable_slots()).states[:, 0].tolist() == [float(n) for n in range(39)]
