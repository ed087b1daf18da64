# SPDX-License-Identifier: Apache-2.0
"""Evaluations in the course of a training: when, what they keep, and that they change nothing."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from td3_driving.driving.action import to_command
from td3_driving.driving.observation import ObservationError, camera_frame
from td3_driving.driving.route import Route
from td3_driving.driving.state_vector import state_dim
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.evaluation.drive import EvaluationPlan, evaluate
from td3_driving.evaluation.during_training import Evaluations, TrainingEvaluations
from td3_driving.evaluation.learned import LearnedAgent
from td3_driving.in_process.run import InProcessRun, PilotedWorld
from td3_driving.learning.algorithms import make_actor
from td3_driving.learning.best import best_weights
from td3_driving.learning.weights import take_snapshot
from td3_driving.settings import Settings
from td3_driving.sim.camera import ENCODING
from td3_driving.sim.vehicle import Control

Conf = Callable[..., Settings]


def constant_policy(settings: Settings, drive: float) -> bytes:
    """Weights of an actor that goes straight ahead."""
    actor = make_actor(settings, state_dim(settings.observation))
    with torch.no_grad():
        for parameter in actor.parameters():
            parameter.zero_()
        actor.trunk[-1].bias[:] = torch.atanh(torch.tensor([0.0, drive]))
    return take_snapshot(actor, 5, 0, settings.digest()).data


def drive(evaluations: TrainingEvaluations, scene: PilotedWorld) -> int:
    """The evaluation that has begun, in the world of ``scene``; the number of frames that it took."""
    frames, tour = 0, evaluations.tour
    assert tour is not None
    while not tour.complete:
        tour.start(Route(scene.world.reset(*tour.next_route)))
        while True:
            frame = scene.world.tick()
            frames += 1
            image = scene.camera.render(frame.ego, frame.vehicles)
            seen = camera_frame(image, ENCODING, scene.settings.observation)
            action = tour.frame(seen, frame.ego, bool(frame.collisions), len(frame.lane_invasions))
            if action is None:
                break
            command = to_command(action)
            scene.world.apply(Control(throttle=command.throttle, steer=command.steer, brake=command.brake))
    return frames


@pytest.fixture
def scene(settings: Conf) -> Iterator[PilotedWorld]:
    made = PilotedWorld(settings(episode__max_steps=40, evaluation__interval=100, evaluation__routes=2))
    yield made
    made.camera.close()


def test_evaluations_are_due_at_the_multiples_of_the_interval(settings: Conf) -> None:
    evaluations = TrainingEvaluations(settings(evaluation__interval=100), None)
    assert [evaluations.due(step) for step in (0, 99, 100, 250)] == [False, False, True, True]
    assert not TrainingEvaluations(settings(), None).due(10**9)
    resumed = TrainingEvaluations(settings(evaluation__interval=100), None)
    resumed.resumed_at(250)
    assert [resumed.due(step) for step in (250, 299, 300)] == [False, False, True]


def test_it_scores_as_the_evaluation_of_the_same_routes_does(scene: PilotedWorld, tmp_path: Path) -> None:
    conf, weights = scene.settings, constant_policy(scene.settings, 0.4)
    evaluations = TrainingEvaluations(conf, tmp_path)
    evaluations.begin(weights, 130)
    assert not evaluations.due(199) and evaluations.due(200)
    assert drive(evaluations, scene) == 2 * 41, "40 steps and the first frame of each episode"
    assert evaluations.tour is not None
    assert [len(result.log.latencies) for result in evaluations.tour.results] == [41, 41]
    outcome = evaluations.finish()
    assert (outcome.step, outcome.version, outcome.episodes, outcome.best) == (130, 5, 2, True)
    plan = EvaluationPlan(routes=2, seed=conf.evaluation.seed, ending="violation")
    results = list(evaluate(conf, LearnedAgent("same", conf, weights), plan))
    assert outcome.values["eval/driving_score"] == pytest.approx(np.mean([result.driving_score for result in results]))
    assert outcome.values["eval/mean_reward"] == np.mean([sum(result.log.rewards) for result in results])
    assert outcome.values["eval/mean_ep_length"] == 40.0
    assert evaluations.tour is None


def test_results_and_the_best_policy_are_kept(scene: PilotedWorld, tmp_path: Path) -> None:
    conf, evaluations = scene.settings, TrainingEvaluations(scene.settings, tmp_path)
    best = []
    for step, throttle in ((100, 0.3), (200, 0.6), (300, 0.2)):
        evaluations.begin(constant_policy(conf, throttle), step)
        drive(evaluations, scene)
        best.append(evaluations.finish().best)
    assert best == [True, True, False]
    assert best_weights(tmp_path / "checkpoints", conf.digest()) == constant_policy(conf, 0.6)
    kept = json.loads((tmp_path / "checkpoints" / "best" / "evaluation.json").read_text())
    assert kept["step"] == 200 and kept["version"] == 5
    files = sorted((tmp_path / "evaluations").iterdir())
    assert [path.name for path in files] == ["000000100.json", "000000200.json", "000000300.json"]
    score = json.loads(files[1].read_text())["_checkpoint"]["global_record"]["scores_mean"]["score_composed"]
    assert score == pytest.approx(kept["driving_score"], abs=1e-5)


def test_a_route_that_the_simulator_failed_is_driven_again(scene: PilotedWorld) -> None:
    evaluations = TrainingEvaluations(scene.settings, None)
    tour = evaluations.begin(constant_policy(scene.settings, 0.4), 100)
    first = tour.next_route
    tour.start(Route(scene.world.reset(*first)))
    broken = VehicleState(0, float("nan"), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    with pytest.raises(ObservationError):
        tour.frame(np.zeros((36, 36), dtype=np.uint8), broken, False, 0)
    tour.abandon()
    assert tour.next_route == first
    with pytest.raises(RuntimeError, match="all driven"):
        evaluations.finish()
    drive(evaluations, scene)
    assert evaluations.finish().episodes == 2


def test_training_learns_the_same_with_evaluations_in_its_own_world(settings: Conf, tmp_path: Path) -> None:
    """Rewards, weights and the account of the memory, with and without; and time goes on by one frame per frame."""
    conf = settings(
        simulator__vehicles=5,
        run__steps=120,
        episode__max_steps=30,
        exploration__random_steps=40,
        pacing__learning_starts=40,
        pacing__train_freq=10,
        pacing__gradient_steps=2,
        evaluation__interval=30,
        evaluation__routes=1,
    )
    seen = []
    for evaluating in (False, True):
        run, evaluations = InProcessRun(conf, tmp_path / str(evaluating)), TrainingEvaluations(conf, None)
        rewards, extra = [], 0
        before = run.scene.world.number
        for count, stepped in enumerate(run.steps(), 1):
            rewards.append(stepped.scored.experience.reward)
            if evaluating and stepped.ended and evaluations.due(count):
                evaluations.begin(run.trainer.weights().data, count)
                extra += drive(evaluations, run.scene)
                evaluations.finish()
        frames = run.scene.world.number - before - extra
        seen.append((rewards, run.trainer.weights().sha256, run.trainer.inserted, run.trainer.updates, frames))
        assert (extra > 0) == evaluating
    assert seen[0] == seen[1]
    assert seen[0][2:4] == (120, 16)


def test_without_a_subclass_nothing_is_evaluated() -> None:
    evaluations = Evaluations()
    evaluations.after_episode(10**6)
    evaluations.beat()
    assert (evaluations.at_the_end(10**6, 100), evaluations.tour) == ("", None)
    standing = VehicleState(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    with pytest.raises(RuntimeError, match="an evaluation under way"):
        evaluations.frame(np.zeros((36, 36), dtype=np.uint8), standing, False, 0)
