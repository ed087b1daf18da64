# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from td3_driving.learning.pacing import RateLimiter
from td3_driving.settings import PacingSettings

from ..shared.patience import HANG

LIMITS = st.builds(
    PacingSettings,
    mode=st.just("async"),
    learning_starts=st.integers(1, 2000),
    train_freq=st.integers(1, 100),
    gradient_steps=st.integers(1, 50),
    lead=st.integers(0, 5),
)


def test_the_seeds_pacing() -> None:
    limiter = RateLimiter(PacingSettings(learning_starts=1000, train_freq=50, gradient_steps=1))
    assert [limiter.updates_due(steps) for steps in (0, 1000, 1049, 1050, 1100, 5000)] == [0, 0, 0, 1, 2, 80]


@given(LIMITS, st.integers(0, 1000))
def test_updates_are_the_ratio_at_multiples(settings: PacingSettings, bursts: int) -> None:
    steps = settings.learning_starts + bursts * settings.train_freq
    due = RateLimiter(settings).updates_due(steps)
    assert due * settings.train_freq == (steps - settings.learning_starts) * settings.gradient_steps


@given(LIMITS, st.integers(1, 1000))
def test_an_update_is_due_from_its_step_on(settings: PacingSettings, update: int) -> None:
    limiter = RateLimiter(settings)
    step = limiter.inserted_at(update)
    assert limiter.updates_due(step - 1) < update <= limiter.updates_due(step)


@given(LIMITS, st.integers(0, 10_000))
def test_the_policy_never_waits_for_what_the_learner_does_not_owe(settings: PacingSettings, step: int) -> None:
    limiter = RateLimiter(settings)
    behind = limiter.updates_due(step) - limiter.weights_expected(step)
    assert 0 <= behind <= settings.lead * settings.gradient_steps


def test_a_lead_lets_the_policy_go_on_that_many_bursts_earlier() -> None:
    limiter = RateLimiter(PacingSettings(mode="async", learning_starts=10, train_freq=5, gradient_steps=3, lead=2))
    assert [limiter.weights_expected(step) for step in (10, 15, 20, 24, 25, 30)] == [0, 0, 0, 0, 3, 6]


def test_the_arithmetic_does_not_pull_in_torch() -> None:
    modules = "td3_driving.learning.pacing, td3_driving.learning.exploration"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    environment = {"PYTHONPATH": ":".join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, timeout=HANG).returncode == 0
