# SPDX-License-Identifier: Apache-2.0
"""Fixed changes of the picture, pixel by pixel."""

import argparse
import math
from collections.abc import Callable

import numpy as np
import pytest

from td3_driving.evaluation.drive import EvaluationPlan, Stage
from td3_driving.evaluation.perturbations import PERTURBATIONS, brighter, perturbation, salted, shifted
from td3_driving.evaluation.table import Entry
from td3_driving.launching import evaluate as cli
from td3_driving.settings import AppearanceSettings, Settings
from td3_driving.sim.appearance import NOMINAL, episode_appearance

RNG = np.random.default_rng


def image(*columns: int) -> np.ndarray:
    """Two equal rows with these grey levels, opaque."""
    made = np.full((2, len(columns), 4), 255, dtype=np.uint8)
    made[..., :3] = np.array(columns, dtype=np.uint8)[:, None]
    return made


def levels(changed: np.ndarray) -> list[int]:
    assert changed.dtype == np.uint8
    assert (changed[..., 3] == 255).all()
    assert (changed[..., :3] == changed[:1, :, :1]).all()
    return list(map(int, changed[0, :, 0]))


def test_brightness() -> None:
    seen = image(0, 10, 100, 196, 197, 255)
    assert levels(perturbation("bright").image(seen, RNG(0))) == [0, 13, 130, 255, 255, 255]
    assert levels(perturbation("dark").image(seen, RNG(0))) == [0, 7, 70, 137, 138, 178]
    assert levels(seen) == [0, 10, 100, 196, 197, 255], "the picture itself stays"


def test_shifts_by_five_pixels() -> None:
    seen = image(*range(10, 20))
    assert levels(perturbation("shift_right").image(seen, RNG(0))) == [10] * 6 + [11, 12, 13, 14]
    assert levels(perturbation("shift_left").image(seen, RNG(0))) == [15, 16, 17, 18, 19] + [19] * 5


def test_one_pixel_in_twenty_is_black_or_white() -> None:
    seen = np.full((100, 200, 4), 255, dtype=np.uint8)
    seen[..., :3] = 90
    changed = perturbation("salt_pepper").image(seen, RNG(5))
    white, black = (changed[..., :3] == 255).all(axis=2), (changed[..., :3] == 0).all(axis=2)
    assert (changed[~white & ~black] == seen[0, 0]).all()
    # 20,000 pixels: five standard deviations of a share of 2.5 % are 0.55 %.
    assert white.mean() == pytest.approx(0.025, abs=0.0055)
    assert black.mean() == pytest.approx(0.025, abs=0.0055)
    assert (changed[..., 3] == 255).all()
    assert np.array_equal(changed, perturbation("salt_pepper").image(seen, RNG(5)))
    assert not np.array_equal(changed, perturbation("salt_pepper").image(seen, RNG(6)))


def test_pitch_turns_the_camera_and_changes_nothing_else() -> None:
    drawn = episode_appearance(AppearanceSettings(randomise=True), 0, 1)
    for name, degrees in (("pitch_down", 2.0), ("pitch_up", -2.0)):
        dressed = perturbation(name).dressed(drawn)
        assert math.degrees(dressed.mount.pitch - drawn.mount.pitch) == pytest.approx(degrees)
        assert (dressed.look, dressed.optics, dressed.mount.height) == (drawn.look, drawn.optics, drawn.mount.height)
        seen = image(1, 2)
        assert perturbation(name).image(seen, RNG(0)) is seen


def test_others_leave_the_camera_alone() -> None:
    turned = {name for name, entry in PERTURBATIONS.items() if entry.dressed(NOMINAL) != NOMINAL}
    assert turned == {"pitch_up", "pitch_down"}


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match=r"fog.*bright, dark, pitch_up"):
        perturbation("fog")


def test_a_stage_shows_what_the_perturbation_makes_of_its_own_picture(settings: Callable[..., Settings]) -> None:
    conf = settings(simulator__vehicles=0)
    pictures = {}
    for name in ("none", "dark", "shift_right", "pitch_down", "salt_pepper"):
        stage = Stage(conf, 0, name)
        stage.reset(0, 5)
        pictures[name] = stage.images(stage.world.tick())[0].copy()
        stage.close()
    plain = pictures["none"]
    assert np.array_equal(pictures["dark"], brighter(plain, 0.7))
    assert np.array_equal(pictures["shift_right"], shifted(plain, 5, 0))
    assert np.array_equal(pictures["salt_pepper"], salted(plain, 0.05, np.random.default_rng([5, 5])))
    assert np.array_equal(pictures["pitch_down"].shape, plain.shape) and (pictures["pitch_down"] != plain).any()


def test_a_plan_refuses_a_perturbation_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="perturb: 'rain' is not one of none, bright, dark"):
        EvaluationPlan(perturbation="rain")


def test_every_perturbation_is_a_column_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    asked = argparse.Namespace(
        camera=["seen"], scenario=[0], routes=1, seed=0, ending="violation", delay_ms=[0.0], drop=[], perturb=["all"]
    )
    plans = list(cli._plans(asked))
    assert [plan.perturbation for plan in plans] == list(PERTURBATIONS)
    asked.perturb = ["none", "dark"]
    assert [plan.perturbation for plan in cli._plans(asked)] == ["none", "dark"]
    assert Entry("a", plans[2], "curves", [], True).condition == "dark"
