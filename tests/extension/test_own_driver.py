# SPDX-License-Identifier: Apache-2.0
"""The one registry of reference drivers, and a driver from a module outside the package."""

from __future__ import annotations

import numpy as np
import pytest

from td3_driving.bounded import SettingsError
from td3_driving.driving.drivers import DRIVERS, Situation, reference_driver
from td3_driving.driving.route import Route, RoutePlace
from td3_driving.driving.teacher import make_teacher
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.evaluation.agents import driver_agent
from td3_driving.evaluation.drive import EvaluationPlan, evaluate
from td3_driving.learning.acting import ActionSource, LearnedActionSource, make_action_source, others_told
from td3_driving.settings import Settings, from_flat

PATH = "my_drivers:CAUTIOUS"
ROUTE = Route(np.array([(0.0, 0.0), (200.0, 0.0)]))


def situation(speed: float) -> Situation:
    return Situation(VehicleState(0, 20.0, 0.0, 0.0, 0.0, speed, 0.0, 0.0), RoutePlace(20.0, 0.0, 0.0), ROUTE)


@pytest.mark.usefixtures("examples")
def test_it_drives_wherever_a_reference_driver_may() -> None:
    """At 6 m/s it brakes for its 4 m/s while the lane keeper speeds up for 8 m/s."""
    settings = from_flat({"learning.teacher": PATH, "reward.target_speed": 8.0})
    teacher, action_source = make_teacher(settings), make_action_source(settings, PATH, 0)
    assert teacher is not None
    keeper = reference_driver("lane_keeper").make(8.0, 0.05, 0)
    assert float(teacher.act(situation(6.0))[1]) < 0.0 < float(keeper.act(situation(6.0))[1])
    action, version = action_source.choose(None, situation(6.0))  # type: ignore[arg-type]
    assert float(action[1]) < 0.0 and version == 0
    assert not others_told(settings, PATH) and others_told(settings, "idm")


@pytest.mark.usefixtures("examples")
def test_it_is_evaluated_by_its_path() -> None:
    settings = from_flat({"simulator.map": "straight", "simulator.vehicles": 0})
    (result,) = evaluate(settings, driver_agent(PATH, settings), EvaluationPlan(routes=1))
    assert result.success
    assert float(result.log.column("speed").max()) == pytest.approx(4.0, abs=0.5)


@pytest.mark.parametrize("name", DRIVERS)
def test_every_driver_of_the_registry_teaches_chooses_and_is_evaluated(name: str) -> None:
    settings = from_flat({"learning.teacher": name})
    assert make_teacher(settings) is not None
    assert make_action_source(settings, name, 0).steps == settings.run.steps
    assert driver_agent(name, settings).name == name


@pytest.mark.parametrize("driver", ["lane_keeper", "random", "policy"])
def test_an_episode_is_driven_alike_whatever_came_before_it(driver: str) -> None:
    """The policy drives its first steps by the teacher here."""
    settings = from_flat({"learning.teacher": "lane_keeper", "exploration.random_steps": 100})
    sources = [make_action_source(settings, driver, 0) for _ in range(2)]
    driven = []
    for before, source in zip((0, 5), sources):
        for number in range(before):
            wanted(source, 7.2 + 0.1 * number)
        source.begin(7)
        driven.append([wanted(source, 7.5 + 0.1 * number) for number in range(5)])
    assert driven[0] == driven[1]


def wanted(source: ActionSource, speed: float) -> list[float]:
    """What a source would do without noise."""
    if isinstance(source, LearnedActionSource):
        action = source._wanted(0, None, situation(speed))  # type: ignore[arg-type]
        assert action is not None
        return action.tolist()
    return source.choose(None, situation(speed))[0].tolist()  # type: ignore[arg-type]


def test_who_is_not_there_is_named_with_those_who_are() -> None:
    for ask in (lambda: from_flat({"learning.teacher": "nobody"}), lambda: make_action_source(Settings(), "nobody", 0)):
        with pytest.raises(
            SettingsError, match=r"'nobody' is not one of .*lane_keeper, idm, brisk, random, parked, off_road"
        ):
            ask()
    with pytest.raises(SettingsError, match=r"learning\.teacher: 'math:pi' lacks make, meaning, needs_others"):
        from_flat({"learning.teacher": "math:pi"})
    with pytest.raises(SettingsError, match="'math:pi' is of type float, ReferenceDriver is needed"):
        reference_driver("math:pi")
