# SPDX-License-Identifier: Apache-2.0
"""Who is shown drawn appearances: trainings that ask for them, and evaluations only when somebody asks."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from td3_driving.driving.drivers import Situation
from td3_driving.driving.pilot import Pilot
from td3_driving.driving.seeding import evaluation_seed
from td3_driving.evaluation.drive import Stage
from td3_driving.in_process.run import PilotedWorld
from td3_driving.launching import evaluate as cli
from td3_driving.launching.evaluation import Evaluation, evaluation_settings
from td3_driving.runs.profiles import parameter_file
from td3_driving.settings import Settings
from td3_driving.sim.appearance import NOMINAL, episode_appearance

SEED = 5


def pictures(scene: PilotedWorld, settings: Settings, seed: int) -> list[np.ndarray]:
    """The first three camera images of an episode that a car at rest sees."""
    pilot = Pilot(settings, "test", 0, stand_still)
    scene.start(pilot, seed)
    seen = []
    for _ in range(3):
        frame, _ = scene.look(pilot)
        seen.append(scene.camera.render(frame.ego, frame.vehicles).copy())
    return seen


def stand_still(_: object, __: Situation) -> tuple[np.ndarray, int]:
    return np.zeros(2, dtype=np.float32), 0


def test_a_training_sees_another_look_in_every_episode_and_the_same_for_the_same_seed(
    settings: Callable[..., Settings],
) -> None:
    plain = settings()
    drawn = settings(appearance__randomise=True, appearance__noisy=1.0)
    usual, first, second = PilotedWorld(plain), PilotedWorld(drawn), PilotedWorld(drawn)
    pictures(second, drawn, SEED + 1)
    nominal, one, again = (
        pictures(scene, wanted, SEED) for scene, wanted in zip((usual, first, second), (plain, drawn, drawn))
    )
    other = pictures(first, drawn, SEED + 1)
    assert all(np.array_equal(image, repeated) for image, repeated in zip(one, again))
    for image in (one[0], other[0]):
        assert np.abs(image.astype(int) - nominal[0]).mean() > 3.0
    assert np.abs(one[0].astype(int) - other[0]).mean() > 3.0


def test_the_routes_of_evaluations_in_between_look_nominal(settings: Callable[..., Settings]) -> None:
    plain = settings()
    drawn = settings(appearance__randomise=True, evaluation__interval=100, evaluation__routes=1)
    seed = evaluation_seed(drawn.evaluation.seed, 0)
    expected = pictures(PilotedWorld(plain), plain, seed)
    assert all(np.array_equal(*pair) for pair in zip(pictures(PilotedWorld(drawn), drawn, seed), expected))


@pytest.mark.parametrize("randomise", [False, True])
def test_an_evaluation_shows_what_its_settings_say_whenever_somebody_begins_to_look(
    randomise: bool, settings: Callable[..., Settings]
) -> None:
    wanted = settings(appearance__randomise=randomise)
    early, late = Stage(wanted, 0), Stage(wanted, 0)
    early.reset(0, SEED - 1)
    early.images(early.world.tick())
    for stage in (early, late):
        stage.reset(0, SEED)
    images = [stage.images(replace(stage.world.tick()))[0].copy() for stage in (early, late)]
    assert np.array_equal(*images)
    expected = episode_appearance(wanted.appearance, 0, SEED)
    assert (expected == NOMINAL) is not randomise
    for stage in (early, late):
        assert stage._camera is not None and stage._camera.cameras[0].appearance == expected
        stage.close()


def asked_for(run: Path, *words: str) -> argparse.Namespace:
    return cli._parser().parse_args([str(run), *words])


def test_a_run_with_drawn_looks_is_evaluated_in_the_nominal_one(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    trained = settings(appearance__randomise=True, appearance__blur=0.2, simulator__parked_cars=0.2)
    (tmp_path / "config.yaml").write_text(parameter_file(trained))
    wish = "appearance.randomise=true"
    for words, expected in (((), False), (("--set", wish), True)):
        common = cli._common_settings(asked_for(tmp_path, *words), [tmp_path])
        assert common.appearance == replace(trained.appearance, randomise=expected)
        assert common.simulator.parked_cars == 0.2
        over_ros = evaluation_settings(Evaluation(str(tmp_path), assignments=words[1:]))
        assert over_ros.appearance == common.appearance
        assert over_ros.evaluation.interval == 0, "no seed is kept for evaluations in between"


def test_several_networks_in_one_training(settings: Callable[..., Settings]) -> None:
    several = settings(simulator__map="drawn:1-2")
    single = settings(simulator__map="drawn:2")
    scene = PilotedWorld(several)
    first = pictures(scene, several, 0)
    second = pictures(scene, several, 1)
    back = pictures(scene, several, 0)
    assert np.array_equal(first[0], back[0])
    assert np.array_equal(second[0], pictures(PilotedWorld(single), single, 1)[0])
    assert not np.array_equal(first[0], second[0])
