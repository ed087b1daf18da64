# SPDX-License-Identifier: Apache-2.0
"""The library's learners on the task: what they are given, and what their memory keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.shared import tiny

pytest.importorskip("sb3_contrib", reason="needs requirements/bench.txt")

from library import KINDS, FadingNoise, PackedEnv, make_model, packed, tuned, unpacked

from td3_driving.driving.seeding import actor_seed
from td3_driving.learning.exploration import Exploration
from td3_driving.settings import Settings, from_flat

SHORT = {
    **tiny.CAMERA,
    **tiny.LEARNER,
    "simulator.map": "straight",
    "simulator.vehicles": 0,
    "episode.max_steps": 12,
    "run.steps": 40,
    "run.seed": 5,
    "pacing.learning_starts": 10,
    "pacing.train_freq": 5,
    "pacing.gradient_steps": 2,
    "exploration.random_steps": 10,
    "learning.n_step": 3,
    "learning.gamma": 0.5,
    "learning.actor_cnn_lr": 1e-4,
    "learning.actor_mlp_lr": 2e-4,
    "learning.critic_cnn_lr": 3e-4,
    "learning.critic_mlp_lr": 4e-4,
}


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """All tests of this file."""


def settings(**changes: Any) -> Settings:
    return from_flat(SHORT | {key.replace("__", "."): value for key, value in changes.items()})


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 3), st.integers(1, 9))
def test_what_is_packed_comes_back_bit_by_bit(seed: int, batch: int, planes: int, length: int) -> None:
    generator = np.random.default_rng(seed)
    frames = generator.integers(0, 256, (batch, planes, 4, 8), dtype=np.uint8)
    states = (generator.normal(size=(batch, length)) * 10.0 ** generator.integers(-20, 20)).astype(np.float32)
    vectors = np.stack([packed(*pair) for pair in zip(frames, states)])
    # The library hands the bytes over as floats.
    seen, known = unpacked(torch.from_numpy(vectors).float(), (planes, 4, 8))
    assert torch.equal(seen, torch.from_numpy(frames)) and torch.equal(known, torch.from_numpy(states))


@pytest.mark.parametrize("contender", KINDS)
def test_with_our_settings_parts_learn_at_our_rates_and_the_memory_sums_three_rewards(contender: str) -> None:
    model: Any = make_model(settings(), contender, "same")
    model.learn(40)
    assert model._n_updates == 12  # 2 after each of the 6 bursts of 5 steps that follow the first 10
    for network, rates in ((model.actor, [1e-4, 2e-4]), (model.critic, [3e-4, 4e-4])):
        assert [group["lr"] for group in network.optimizer.param_groups] == rates
        assert all(group["params"] for group in network.optimizer.param_groups)
    memory = model.replay_buffer
    rewards, ends = memory.rewards[:40, 0], memory.dones[:40, 0]
    whole = next(row for row in range(30) if not ends[row : row + 3].any())
    summed = memory._get_samples(np.array([whole]))
    assert float(summed.rewards[0, 0]) == pytest.approx(float(rewards[whole : whole + 3] @ [1.0, 0.5, 0.25]), rel=1e-5)
    assert float(summed.discounts[0, 0]) == pytest.approx(0.125)
    model.env.close()


@pytest.mark.parametrize(("tuning", "shown"), [("same", False), ("shown", True)])
def test_the_first_steps_are_driven_as_here_and_the_memory_keeps_what_was_driven(tuning: str, shown: bool) -> None:
    wanted = settings(exploration__noise_start=0.1)
    model: Any = make_model(wanted, "sb3_sac", tuning)
    model.learn(40)
    kept = model.replay_buffer.actions[:10, 0]
    exploration = Exploration(wanted.exploration, actor_seed(wanted.run.seed, 0))
    drawn = np.array([exploration.action(step, None)[0] for step in range(10)])
    if shown:
        # On an empty straight road from standstill the teacher goes straight ahead and accelerates.
        assert np.abs(kept[:, 0]).max() <= 0.1 + 0.05 and (kept[:, 1] > 0.0).all()
    else:
        np.testing.assert_array_equal(kept, drawn)
    model.env.close()


def test_the_environment_drives_what_it_is_given_after_the_first_steps_on_the_episodes_of_a_training() -> None:
    environment = PackedEnv(settings(exploration__random_steps=2))
    first, _ = environment.reset(seed=9)
    action = np.array([0.25, 0.5], dtype=np.float32)
    driven = [environment.step(action)[-1]["driven"] for _ in range(4)]
    assert not np.array_equal(driven[0], action) and np.array_equal(driven[3], action)
    environment.close()
    again = PackedEnv(settings())
    np.testing.assert_array_equal(again.reset(seed=1)[0], first)
    again.close()


def test_the_noise_of_td3_falls_from_the_end_of_the_first_steps_on() -> None:
    wanted = settings(
        exploration__random_steps=5,
        exploration__noise_start=0.3,
        exploration__noise_end=0.0,
        exploration__decay_steps=100,
    )
    noise = FadingNoise(wanted)
    drawn = np.array([noise() for _ in range(110)])
    assert drawn.shape == (110, 2) and drawn.dtype == np.float32
    # Step 5 + n has the deviation 0.3 (1 - n / 100); of 40 draws with 0.3 .. 0.24 the deviation lies near 0.27.
    assert 0.18 < drawn[:25].std() < 0.36 and drawn[85:105].std() < 0.1
    assert drawn[104].any() and not drawn[105:].any()


def test_own_tuning_is_the_librarys_with_its_encoder_where_frames_are_high_enough() -> None:
    for rows, form in ((36, "nature"), (32, "small")):
        own = tuned(settings(observation__frame_height=rows), "own")
        assert (own.network.encoder, own.network.features, own.exploration.random_steps) == (form, 256, 0)
    model: Any = make_model(settings(), "sb3_td3", "own")
    fresh: Any = KINDS["sb3_td3"]("MlpPolicy", PackedEnv(settings()), buffer_size=40, policy_kwargs=model.policy_kwargs)
    for name in ("learning_rate", "batch_size", "gamma", "tau", "train_freq", "gradient_steps", "learning_starts"):
        assert getattr(model, name) == getattr(fresh, name), name
    for one in (model, fresh):
        one.env.close()
