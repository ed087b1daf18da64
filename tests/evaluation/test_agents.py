# SPDX-License-Identifier: Apache-2.0
"""Reference drivers, policies from run folders, and the drive itself in the embedded world."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from td3_driving.driving.drivers import IdmDriver, LaneKeeper, Neighbours, Situation, reference_driver
from td3_driving.driving.episode import ExitReason
from td3_driving.driving.route import Route, RoutePlace
from td3_driving.driving.state_vector import state_dim
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.evaluation.agents import DriverAgent, View, driver_agent
from td3_driving.evaluation.drive import EvaluationPlan, evaluate
from td3_driving.evaluation.learned import LearnedAgent, learned_agent, weights_of
from td3_driving.evaluation.summary import summarise
from td3_driving.learning.algorithms import make_actor
from td3_driving.learning.best import best_score, keep_if_better
from td3_driving.learning.checkpoint import CheckpointError
from td3_driving.learning.networks import initialise
from td3_driving.learning.trainer import Trainer
from td3_driving.learning.weights import take_snapshot
from td3_driving.runs.profiles import parameter_file
from td3_driving.settings import ObservationSettings, Settings

from ..shared.constant_policy import constant_policy

Conf = Callable[..., Settings]


def situation(own_speed: float, **neighbours: list[float]) -> Situation:
    """On a straight road along x, at its start; ``neighbours`` are x, y and speed of cars of 4.79 m."""
    route = Route(np.array([(x, 0.0) for x in range(200)], dtype=float))
    others = {name: np.array(neighbours.get(name, [])) for name in ("x", "y", "speed")}
    count = len(others["x"])
    known = Neighbours(**others, yaw=np.zeros(count), length=np.full(count, 4.79))
    vehicle = VehicleState(0, 0.0, 0.0, 0.0, 0.0, own_speed, 0.0, 0.0)
    return Situation(vehicle, RoutePlace(0.0, 0.0, 0.0), route, known)


def idm(**case: list[float]) -> float:
    return float(IdmDriver(8.0, 0.05).act(situation(8.0, **case))[1])


def test_idm_by_hand() -> None:
    """At 8 m/s behind a standing car with 25.71 m between the bumpers: s* = 2 + 11.2 + 64 / (2 sqrt 3) = 31.675 m,
    so 1.5 (1 - 1 - (31.675 / 25.71)^2) = -2.277 m/s^2, and the pedal adds what resists anyway."""
    assert idm(x=[30.5], y=[0.0], speed=[0.0]) == pytest.approx((-2.277 + 0.15) / 8.8, abs=1e-3)


@pytest.mark.parametrize(("x", "wanted"), [(30.5, -0.895), (14.5, -6.274)])
def test_brisk_brakes_late_by_hand(x: float, wanted: float) -> None:
    """At 8 m/s s* = 2.5 + 4 + 64 / (2 sqrt 18) = 14.042 m. With 25.71 m between the bumpers it wants
    -3 (14.042 / 25.71)^2 = -0.895 m/s^2, with 9.71 m -6.274."""
    case = situation(8.0, x=[x], y=[0.0], speed=[0.0])
    pedal = float(reference_driver("brisk").make(8.0, 0.05, 0).act(case)[1])
    assert pedal == pytest.approx((wanted + 0.15) / 8.8, abs=1e-3)


def test_idm_holds_the_desired_speed_alone_and_starts_from_rest() -> None:
    assert idm() == pytest.approx(0.15 / 4.6)
    assert float(IdmDriver(8.0, 0.05).act(situation(0.0))[1]) == pytest.approx(1.65 / 4.6)


@pytest.mark.parametrize("where", [{"x": [30.5], "y": [3.5]}, {"x": [-10.0], "y": [0.0]}, {"x": [90.0], "y": [0.0]}])
def test_idm_ignores_who_is_not_ahead_on_its_lane(where: dict[str, list[float]]) -> None:
    assert idm(**where, speed=[0.0]) == idm()


def test_idm_follows_the_nearest_and_needs_to_know_the_others() -> None:
    assert idm(x=[50.5, 30.5], y=[0.0, 0.0], speed=[0.0, 0.0]) == idm(x=[30.5], y=[0.0], speed=[0.0])
    with pytest.raises(ValueError, match="where the other vehicles are"):
        IdmDriver(8.0, 0.05).act(replace(situation(8.0), neighbours=None))


def test_lane_keeper_drives_a_straight_road_without_fault(settings: Conf) -> None:
    conf = settings()
    results = list(evaluate(conf, driver_agent("lane_keeper", conf), EvaluationPlan(routes=2)))
    assert [result.ended for result in results] == [ExitReason.GOAL] * 2
    assert results[0].seed != results[1].seed
    metrics = summarise(results)
    assert metrics["driving_score"] == metrics["success_rate"] == 100.0
    assert metrics["lateral_error_rms"] < 0.05


def test_parked_is_blocked_and_random_is_worse_than_the_lane_keeper(settings: Conf) -> None:
    conf = settings(episode__max_steps=300)
    scores = {}
    for name in ("lane_keeper", "random", "parked"):
        results = list(evaluate(conf, driver_agent(name, conf), EvaluationPlan(routes=1, ending="violation")))
        scores[name] = summarise(results)["driving_score"]
        if name == "parked":
            assert results[0].ended is ExitReason.STANDSTILL and len(results[0].log.actions) == 100
    assert scores["lane_keeper"] > scores["random"] > scores["parked"] == 0.0


class Witness:
    """Drives like the lane keeper and keeps the stamps of the views."""

    name = "witness"
    observation_settings: ObservationSettings | None = None

    def __init__(self, settings: Settings) -> None:
        self.stamps: list[int] = []
        self._agent = DriverAgent("lane_keeper", lambda seed: LaneKeeper(8.0, settings.simulator.fixed_delta))

    def start(self, route: Route, seed: int) -> None:
        self._agent.start(route, seed)

    def decide(self, view: View) -> np.ndarray:
        self.stamps.append(view.vehicle.stamp_ns)
        return self._agent.decide(view)


def test_under_delay_the_agent_sees_the_past_and_waits_at_a_stop(settings: Conf) -> None:
    conf = settings(episode__max_steps=50)
    prompt, late = Witness(conf), Witness(conf)
    (first,) = evaluate(conf, prompt, EvaluationPlan(routes=1, ending="violation"))
    (second,) = evaluate(conf, late, EvaluationPlan(routes=1, ending="violation", delay=0.2))
    assert late.stamps == prompt.stamps[:-4]
    assert first.log.actions[0][1] > 0.0
    assert [action.tolist() for action in second.log.actions[:4]] == [[0.0, -1.0]] * 4


def test_a_lost_frame_holds_the_action_and_the_losses_repeat_themselves(settings: Conf) -> None:
    conf = settings(episode__max_steps=200)
    plan = EvaluationPlan(routes=1, ending="violation", drop=0.2)
    runs = []
    for _ in range(2):
        witness = Witness(conf)
        (result,) = evaluate(conf, witness, plan)
        runs.append((witness.stamps, result.log.action_array.tolist()))
    assert runs[0] == runs[1]
    assert 130 < len(runs[0][0]) < 190


def test_plans_out_of_range_are_refused(settings: Conf) -> None:
    for wrong in ({"routes": 0}, {"ending": "never"}, {"drop": 1.5}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            EvaluationPlan(**wrong)
    with pytest.raises(ValueError, match="no multiple of a frame"):
        next(evaluate(settings(), driver_agent("parked", settings()), EvaluationPlan(delay=0.01)))
    with pytest.raises(ValueError, match="'idle' is not one of lane_keeper"):
        driver_agent("idle", settings())


# Policies.


def test_a_learned_policy_drives_as_its_weights_say(settings: Conf) -> None:
    conf = settings(episode__max_steps=60)
    agent = LearnedAgent("constant", conf, constant_policy(conf, 0.0, 0.3))
    (result,) = evaluate(conf, agent, EvaluationPlan(routes=1, ending="violation"))
    np.testing.assert_allclose(result.log.action_array, [[0.0, 0.3]] * 60, atol=1e-6)
    assert result.ended is ExitReason.TIME_LIMIT
    # 3 s at 0.3 * 8,500 N / 1,845 kg less the rolling resistance of 0.147 m/s^2 are 5.56 m; drag is small.
    assert 5.0 < result.driven < 5.56


def test_each_route_has_a_localisation_error_of_its_own(settings: Conf) -> None:
    """The same first frame of the same road under other seeds is another observation, under the same seed the same."""
    conf = settings(network__action_init=1.0)
    actor = make_actor(conf, state_dim(conf.observation))
    initialise(actor, torch.Generator().manual_seed(0))
    agent = LearnedAgent("new", conf, take_snapshot(actor, 0, 0, conf.digest()).data)
    first = situation(8.0)
    view = View(first.vehicle, np.zeros((36, 36), dtype=np.uint8), None)
    actions = []
    for seed in (1, 2, 1):
        agent.start(first.route, seed)
        actions.append(agent.decide(view).tolist())
    assert actions[0] == actions[2] != actions[1]


def make_run(folder: Path, settings: Settings) -> Trainer:
    (folder / "config.yaml").write_text(parameter_file(settings))
    trainer = Trainer(settings, folder, state_dim(settings.observation))
    trainer.save()
    return trainer


def test_a_run_folder_gives_its_newest_or_its_best_policy(settings: Conf, tmp_path: Path) -> None:
    conf = settings(episode__max_steps=40)
    trainer = make_run(tmp_path, conf)
    weights, origin = weights_of(tmp_path, conf)
    assert origin == "update 0"
    assert weights == trainer.weights().data
    best = constant_policy(conf, 0.0, 0.25)
    assert keep_if_better(tmp_path / "checkpoints", best, conf.digest(), {"driving_score": 10.0})
    agent = learned_agent(tmp_path)
    assert agent.name == f"{tmp_path.name} (best)"
    (result,) = evaluate(conf, agent, EvaluationPlan(routes=1, ending="violation"))
    np.testing.assert_allclose(result.log.action_array, [[0.0, 0.25]] * 40, atol=1e-6)
    assert weights_of(tmp_path, conf, "latest")[0] == weights_of(tmp_path, conf, "000000000")[0] == weights


def test_only_a_better_policy_replaces_the_best(settings: Conf, tmp_path: Path) -> None:
    conf = settings()
    assert best_score(tmp_path) == float("-inf")
    kept = [
        keep_if_better(tmp_path, constant_policy(conf, 0.0, 0.1, score), conf.digest(), {"driving_score": score})
        for score in (5, 5, 3, 6)
    ]
    assert kept == [True, False, False, True]
    assert best_score(tmp_path) == 6.0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best"]


def test_a_best_policy_that_was_tampered_with_is_refused(settings: Conf, tmp_path: Path) -> None:
    conf = settings()
    make_run(tmp_path, conf)
    checkpoints = tmp_path / "checkpoints"
    keep_if_better(checkpoints, constant_policy(conf, 0.0, 0.1), conf.digest(), {"driving_score": 1.0})
    (checkpoints / "best" / "actor.safetensors").write_bytes(b"something else")
    with pytest.raises(CheckpointError, match="best is corrupt"):
        learned_agent(tmp_path)
    with pytest.raises(CheckpointError, match="000000099 is not readable"):
        learned_agent(tmp_path, "000000099")
