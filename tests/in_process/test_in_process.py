# SPDX-License-Identifier: Apache-2.0
"""Training and evaluation without transport, on a short, empty, straight road."""

from pathlib import Path
from typing import Callable

import numpy as np
import pytest

from td3_driving.driving.episode import EpisodeRecord, ExitReason
from td3_driving.in_process.run import InProcessRun
from td3_driving.settings import Settings

from ..shared.constant_policy import constant_policy
from ..shared.drives import evaluate_policy

pytestmark = pytest.mark.usefixtures("one_thread")
STRAIGHT = {"simulator__map": "straight", "simulator__vehicles": 0, "episode__max_steps": 60}


def outcome(record: EpisodeRecord) -> tuple[object, ...]:
    return record.seed, record.exit_reason, record.length, record.last_s, tuple(record.term_returns.values)


def test_straight_ahead_on_a_straight_road_stays_in_the_lane(small: Callable[..., Settings]) -> None:
    settings = small(**STRAIGHT)
    (record,) = evaluate_policy(settings, constant_policy(settings, 0.0, 0.3), [7])
    assert record.exit_reason is ExitReason.TIME_LIMIT
    assert record.length == 60
    assert record.max_lateral < 0.05
    assert record.lane_invasions == 0
    # 3 s at 0.3 * 8,500 N / 1,845 kg less the rolling resistance of 0.147 m/s^2: 1.235 m/s^2, 5.56 m; drag is small.
    assert 0.5 * 1.235 * 3.0**2 * 0.9 < record.last_s - record.start_s < 0.5 * 1.235 * 3.0**2


def test_steering_to_the_right_leaves_the_lane_across_its_marking(small: Callable[..., Settings]) -> None:
    settings = small(**STRAIGHT)
    (record,) = evaluate_policy(settings, constant_policy(settings, 0.5, 0.5), [7])
    assert record.exit_reason is ExitReason.OFF_LANE
    assert record.max_lateral > settings.episode.off_lane_distance
    assert record.lane_invasions >= 1


def test_evaluation_repeats_itself_and_keeps_the_order_of_the_seeds(small: Callable[..., Settings]) -> None:
    settings = small(**STRAIGHT)
    weights = constant_policy(settings, 0.0, 0.5)
    first, again = evaluate_policy(settings, weights, [3, 4]), evaluate_policy(settings, weights, [3, 4])
    assert [record.seed for record in first] == [3, 4]
    assert [outcome(record) for record in first] == [outcome(record) for record in again]


def test_evaluation_in_between_leaves_training_as_it_was(small: Callable[..., Settings], tmp_path: Path) -> None:
    settings = small(**STRAIGHT, exploration__random_steps=20)
    rewards: list[list[float]] = [[], []]
    for index, evaluating in enumerate((False, True)):
        run = InProcessRun(settings, tmp_path / str(index))
        for number, stepped in enumerate(run.steps()):
            rewards[index].append(stepped.scored.experience.reward)
            if evaluating and number == 40:
                evaluate_policy(settings, run.trainer.weights().data, [1])
    assert len(rewards[0]) == 60
    assert run.trainer.updates == 16
    np.testing.assert_array_equal(rewards[0], rewards[1])


def test_each_burst_acts_while_the_next_is_made(small: Callable[..., Settings], tmp_path: Path) -> None:
    pacing = {"learning_starts": 20, "train_freq": 10, "gradient_steps": 2, "lead": 1}
    settings = small(**STRAIGHT, exploration__random_steps=20, **{f"pacing__{key}": pacing[key] for key in pacing})
    run = InProcessRun(settings, tmp_path)
    versions = [stepped.scored.experience.policy_version for stepped in run.steps()]
    assert len(versions) == 60 and run.trainer.updates == 8
    # Bursts come after steps 30, 40, 50, 60. That of step 30 is waited for, and acts, from step 40 on.
    assert versions == [0] * 40 + [2] * 10 + [4] * 10
