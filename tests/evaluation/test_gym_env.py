# SPDX-License-Identifier: Apache-2.0
"""The Gymnasium environment: its checker, and that it is the same task as ours."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from td3_driving.driving.seeding import episode_seed
from td3_driving.in_process.gym_env import DrivingEnv
from td3_driving.in_process.run import InProcessRun
from td3_driving.settings import Settings

Conf = Callable[..., Settings]


@pytest.fixture
def environment(settings: Conf) -> Iterator[DrivingEnv]:
    made = DrivingEnv(settings(episode__max_steps=30))
    yield made
    made.close()


@pytest.mark.filterwarnings("error")
def test_gymnasium_finds_nothing_wrong(environment: DrivingEnv) -> None:
    check_env(environment, skip_render_check=True)


def test_full_throttle_is_truncated_and_full_lock_is_terminated(environment: DrivingEnv) -> None:
    for action, steps, ends, reason in (
        ([0.0, 1.0], 30, (False, True), "time_limit"),
        ([1.0, 0.5], 0, (True, False), "off_lane"),
    ):
        environment.reset(seed=3)
        count, over, info = 0, (False, False), dict[str, object]()
        while not any(over):
            _, _, *flags, info = environment.step(np.array(action, dtype=np.float32))
            over, count = (bool(flags[0]), bool(flags[1])), count + 1
        assert over == ends and info["exit_reason"] == reason
        assert count == steps or not steps
        with pytest.raises(RuntimeError, match="call reset"):
            environment.step(np.zeros(2, dtype=np.float32))


def test_it_is_the_task_that_is_trained_on_here(settings: Conf, tmp_path: Path) -> None:
    """The same episode seed and the same actions give the same observations and rewards, bit by bit."""
    conf = settings(run__steps=40, exploration__random_steps=40, pacing__learning_starts=1000)
    stepped = list(InProcessRun(conf, tmp_path).steps())
    environment = DrivingEnv(conf)
    observed, _ = environment.reset(options={"episode_seed": episode_seed(conf.run.seed, 0, 0, 0)})
    for step in stepped:
        if step.scored.experience.episode_id:
            break
        experience = step.scored.experience
        np.testing.assert_array_equal(observed["frames"][-1], experience.frame)
        np.testing.assert_array_equal(observed["state"], experience.state)
        observed, reward, terminated, truncated, info = environment.step(experience.action)
        assert reward == experience.reward
        assert sum(info["reward_terms"].values()) == pytest.approx(reward)
        assert terminated == experience.terminated
        assert truncated == experience.truncated or step is stepped[-1], "only the end of the run is no end here"
    environment.close()
