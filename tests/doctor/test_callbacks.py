# SPDX-License-Identifier: Apache-2.0
"""The callback for Stable-Baselines3, with the library itself."""

from __future__ import annotations

import json

import numpy as np
import pytest

stable_baselines3 = pytest.importorskip("stable_baselines3")

from td3_driving.doctor.callbacks import DoctorCallback  # noqa: E402
from td3_driving.doctor.examine import examine  # noqa: E402

STEPS = 600
READ = {"actor_loss", "critic_loss", "q1", "q_std", "q_max", "q_min", "target_q", "episode_return"}
READ |= {"episode_length", "updates", "lr_actor", "lr_critic", "grad_actor_pre", "grad_critic_pre"}
READ |= {"param_mean_actor", "param_std_actor", "param_mean_critic", "saturated_share", "batch_reward_max", "finished"}


def trained(kind, callback=None, environment="Pendulum-v1", **options):
    model = getattr(stable_baselines3, kind)(
        "MlpPolicy", environment, seed=0, device="cpu", policy_kwargs={"net_arch": [16, 16]}, **options
    )
    return model.learn(STEPS, callback=callback)


def weights(model):
    return np.concatenate([parameter.detach().numpy().ravel() for parameter in model.policy.parameters()])


@pytest.mark.parametrize("kind", ["TD3", "DDPG", "SAC"])
def test_every_series_that_the_rules_read_is_there_and_nothing_is_changed(tmp_path, kind):
    options = {"learning_starts": 100, "batch_size": 32}
    watched = trained(kind, DoctorCallback(tmp_path, period=100), **options)
    assert np.array_equal(weights(watched), weights(trained(kind, **options)))
    diagnosis = examine(tmp_path)
    history = diagnosis.history
    assert set(history.series) >= READ | ({"actor_q"} if kind == "SAC" else set())
    assert diagnosis.finding("loss-identity") is None
    assert history.get("episode_length").values().tolist() == [200.0, 200.0, 200.0]
    assert history.get("q1").steps().tolist()[:2] == [200.0, 300.0]


def test_what_is_logged_is_what_the_model_says(tmp_path):
    model = trained("TD3", DoctorCallback(tmp_path, period=100), learning_starts=100, batch_size=32)
    last = json.loads((tmp_path / "doctor.jsonl").read_text().splitlines()[-1])
    actor = np.concatenate([parameter.detach().numpy().ravel() for parameter in model.actor.parameters()])
    assert last["agent/actor_param_mean"] == pytest.approx(actor.mean(), abs=1e-6)
    assert last["agent/total_iterations"] == STEPS - 100
    assert last["step"] == STEPS


def test_an_on_policy_algorithm_gets_its_returns(tmp_path):
    trained("PPO", DoctorCallback(tmp_path, period=100), "CartPole-v1", n_steps=128)
    diagnosis = examine(tmp_path)
    assert {"episode_return", "episode_length"} <= set(diagnosis.history.series)
    assert diagnosis.scope.name == "PPO"
