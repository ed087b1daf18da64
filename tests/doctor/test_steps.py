# SPDX-License-Identifier: Apache-2.0
"""From single steps to series, by hand."""

import pytest

from td3_driving.doctor.steps import Rate, Step, StepClock, StepWindow

TERMS = {"efficiency": 1.0, "lane_keeping": 0.5, "comfort": -0.1, "safety": 0.0, "progress": 0.1}


def step(number: int, total: float = 1.5, speed: float = 5.0, actor: str = "actor_0") -> Step:
    return Step(actor, number, number, TERMS, total, speed)


def test_a_window_is_the_mean_of_its_steps() -> None:
    window = StepWindow(period=2)
    assert window.add(step(1), 1) is None
    series = window.add(step(2, speed=10.0), 2)
    assert series is not None
    assert series["reward/efficiency"] == 1.0 and series["reward/comfort"] == pytest.approx(-0.1)
    assert series["reward/total"] == 1.5
    assert series["progress/speed_kmh"] == 36.0 and series["progress/episode_steps"] == 2.0
    assert window.add(step(3), 3) is None
    assert window.ledger_breaks == 0


def test_terms_that_do_not_add_up_are_counted() -> None:
    window = StepWindow(period=10)
    window.add(step(1, total=1.5 + 2e-6), 1)
    window.add(step(2, total=float("nan")), 2)
    window.add(step(3, total=1.5 + 1e-7), 3)
    assert window.ledger_breaks == 2


def test_steps_of_several_actors_add_up_and_never_go_back() -> None:
    clock = StepClock()
    assert clock.advance("a", 3) == 3
    assert clock.advance("b", 4) == 7
    assert clock.advance("a", 2) == 7
    assert clock.at("a", 1) == 5


def test_a_rate_is_measured_over_its_span() -> None:
    rate = Rate(span=5.0)
    assert rate.at(0.0, 0) == 0.0
    assert rate.at(2.0, 100) == 50.0
    assert rate.at(10.0, 900) == pytest.approx(100.0)
