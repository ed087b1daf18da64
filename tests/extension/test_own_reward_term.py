# SPDX-License-Identifier: Apache-2.0
"""A term of the reward from a module outside the package, from its value by hand to a run's event file."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from td3_driving.bounded import SettingsError
from td3_driving.driving.drivers import NOBODY, Neighbours
from td3_driving.driving.privileged import others_needed
from td3_driving.driving.reward import DrivenStep, RewardError, RewardModel, greatest_reward
from td3_driving.driving.route import Route, RoutePlace
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.runs.profiles import override, parameter_file, parse_run
from td3_driving.runs.run_folder import manifest
from td3_driving.settings import Settings, from_flat
from td3_driving.settings_reward import TERMS
from tests.shared import tiny

PATH = "my_rewards:TIME_TO_COLLISION"
PACKAGE = [term.name for term in TERMS]
ROUTE = Route(np.array([(0.0, 0.0), (200.0, 0.0)]))
SMALL = {
    **tiny.LEARNER,
    **tiny.CAMERA,
    "simulator.map": "straight",
    "exploration.random_steps": 60,
    "pacing.learning_starts": 50,
    "pacing.train_freq": 10,
    "pacing.gradient_steps": 2,
    "run.steps": 200,
    "run.log_period": 50,
}


def settings(**changes: object) -> Settings:
    return from_flat({"reward.terms": PATH, **{key.replace("__", "."): value for key, value in changes.items()}})


def step(speed: float, distance: float | None) -> DrivenStep:
    """At 20 m on a straight route, a standing car of 4.79 m with its centre ``distance`` ahead."""
    place = RoutePlace(20.0, 0.0, 0.0)
    ahead = Neighbours(*(np.array([value]) for value in (20.0 + (distance or 0.0), 0.0, 0.0, 0.0, 4.79)))
    others = NOBODY if distance is None else ahead
    vehicle = VehicleState(0, 20.0, 0.0, 0.0, 0.0, speed, 0.0, 0.0)
    still = np.zeros(2, dtype=np.float32)
    return DrivenStep(vehicle, place, place, still, still, False, ROUTE, others)


# Between the bumpers are 24.79 - 4.79 = 20 m; at 10 m/s they are 2 s, of the 3 s that cost nothing.
@pytest.mark.parametrize(
    ("speed", "distance", "value"),
    [(10.0, None, 0.0), (10.0, 24.79, -1.0 / 3.0), (5.0, 24.79, 0.0), (0.0, 24.79, 0.0), (10.0, 4.79, -1.0)],
)
@pytest.mark.usefixtures("examples")
def test_the_term_by_hand(speed: float, distance: float | None, value: float) -> None:
    scored = RewardModel(settings().reward, 0.05).score(step(speed, distance))
    # The leader is looked for every metre.
    assert scored["time_to_collision"] == pytest.approx(0.5 * value, abs=0.5 / 30.0)
    assert list(scored.names) == [*PACKAGE, "time_to_collision"]


@pytest.mark.usefixtures("examples")
def test_weight_bounds_and_what_must_be_known_follow_from_the_term() -> None:
    plain, own = Settings(), settings(reward__time_to_collision=2.0)
    assert greatest_reward(own.reward) == greatest_reward(plain.reward) + 2.0
    low, high = RewardModel(plain.reward, 0.05).bounds
    assert RewardModel(own.reward, 0.05).bounds == (low - 2.0, high)
    camera = {"network__critic": "camera"}
    assert others_needed(settings(**camera))
    assert not others_needed(settings(**camera, reward__time_to_collision=0.0))
    with pytest.raises(SettingsError, match=r"time_to_collision: 101\.0 is outside 0\.0 \.\. 100\.0"):
        settings(reward__time_to_collision=101.0)


@pytest.mark.usefixtures("examples")
def test_the_configuration_holds_the_term_and_its_weight_and_the_hash_covers_both() -> None:
    own = override(Settings(), [f"reward.terms={PATH}", "reward.time_to_collision=2.0"])
    assert own.flat()["reward.time_to_collision"] == 2.0
    assert parse_run(parameter_file(own), "config.yaml") == own
    digests = {Settings().digest(), settings().digest(), own.digest()}
    assert len(digests) == 3
    assert override(own, ["reward.terms="]).digest() == Settings().digest()
    assert from_flat({"reward.terms": [PATH]}) == settings()


def test_the_run_folder_names_the_module(examples: Path) -> None:
    named = manifest(settings(), datetime(2030, 1, 1), {})["plugins"]
    assert isinstance(named, dict) and list(named["reward.terms"]) == [PATH]
    assert len(named["reward.terms"][PATH]) == 64
    assert manifest(Settings(), datetime(2030, 1, 1), {})["plugins"] == {}


def test_a_module_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(SettingsError, match=r"^reward.terms: 'nowhere_to_be_found:TERM': there is no module"):
        from_flat({"reward.terms": "nowhere_to_be_found:TERM"})
    with pytest.raises(SettingsError, match=r"unknown setting 'reward\.time_to_collision'"):
        from_flat({"reward.time_to_collision": 1.0})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": "comfort"}, "'comfort' is no free name"),
        ({"name": "total"}, "'total' is no free name"),
        ({"name": "target_speed"}, "'target_speed' is no free name"),
        ({"name": "Two Words"}, "'Two Words' is no free name"),
        ({"low": 1.0}, "needs low <= high"),
        ({"high": math.inf}, "needs low <= high"),
        ({"weight": 200.0}, "0 <= weight <= most_weight"),
    ],
)
def test_a_term_that_cannot_be_one_is_refused(
    change: dict[str, object], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examples: Path
) -> None:
    import my_rewards

    name = f"term_of_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text("TERM = None\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = __import__(name)
    module.TERM = replace(my_rewards.TIME_TO_COLLISION, **change)
    with pytest.raises(SettingsError, match=says):
        from_flat({"reward.terms": f"{name}:TERM"})


@pytest.mark.parametrize("value", [0.1, -1.1, math.nan])
@pytest.mark.usefixtures("examples")
def test_a_value_outside_its_range_ends_the_run_with_its_name(value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    import my_rewards

    monkeypatch.setattr(my_rewards, "TIME_TO_COLLISION", replace(my_rewards.TIME_TO_COLLISION, value=lambda *_: value))
    model = RewardModel(settings().reward, 0.05)
    with pytest.raises(RewardError, match=rf"time_to_collision is {value}, outside its range -1.0 .. 0.0"):
        model.score(step(5.0, None))


@pytest.mark.usefixtures("examples", "one_thread")
def test_training_learns_from_it(tmp_path: Path) -> None:
    from td3_driving.in_process.run import InProcessRun

    own = from_flat({**SMALL, "simulator.vehicles": 20, "reward.terms": PATH, "reward.time_to_collision": 3.0})
    run = InProcessRun(own, tmp_path)
    terms = [stepped.scored.terms for stepped in run.steps()]
    run.scene.camera.close()
    assert len(terms) == 200 and run.trainer.updates > 0
    stored = run.trainer.memory.gather(run.trainer.memory.sampleable_slots()).rewards
    assert np.isin(stored, np.array([term.total for term in terms], dtype=np.float32)).all()
    assert all(-3.0 <= term["time_to_collision"] <= 0.0 for term in terms)
