# SPDX-License-Identifier: Apache-2.0
"""Healthy runs under the tags of other libraries, in the shape that they have on a task with negative rewards."""

from __future__ import annotations

import numpy as np
import pytest

from td3_driving.doctor.diagnosis import Verdict
from td3_driving.doctor.examine import examine
from td3_driving.doctor.learning_curve import Learned
from td3_driving.doctor.scalars import Scalar


def pendulum_return(episode):
    """Returns of Pendulum rise from -1,300 to -150 within some twenty episodes."""
    return -150.0 - 1150.0 / (1.0 + np.exp((episode - 18.0) / 2.0))


def cleanrl(rng, steps=20_000, starts=1000):
    for step in range(0, steps, 100):
        if step % 200 == 100 and step > 100:
            yield Scalar("charts/episodic_return", step - 1, pendulum_return(step // 200) + rng.normal(0.0, 60.0), step)
            yield Scalar("charts/episodic_length", step - 1, 200.0, step)
        if step > starts:
            q = -200.0 * (1.0 - np.exp(-(step - starts) / 1500.0)) + 90.0 * step / steps
            values = {
                "qf1_values": q,
                "qf2_values": q + 0.3,
                "qf1_loss": 4.0 + abs(q) / 20,
                "qf_loss": 4.0,
                "actor_loss": -q * 0.97,
            }
            for name, value in values.items():
                yield Scalar(f"losses/{name}", step, value + rng.normal(0.0, 0.3), step)


def running_mean(episode):
    """Of the last 100 episodes, as Stable-Baselines3 logs it."""
    return float(np.mean([pendulum_return(index) for index in range(max(0, episode - 100), episode)]))


def stable_baselines(rng, steps=20_000):
    for step in range(800, steps, 800):
        values = {
            "rollout/ep_len_mean": 200.0,
            "rollout/ep_rew_mean": running_mean(step // 200),
            "train/actor_loss": 150.0 * (1 - np.exp(-step / 3000)) + rng.normal(),
            "train/critic_loss": 1.0 + step / 2000 + rng.random(),
            "train/learning_rate": 1e-3,
            "train/n_updates": step - 100.0,
            "time/fps": 80.0,
        }
        for tag, value in values.items():
            yield Scalar(tag, step, value, float(step))
        if step % 1600 == 0:
            yield Scalar("eval/mean_reward", step, pendulum_return(step // 200) + rng.normal(0.0, 30.0), float(step))
            yield Scalar("eval/mean_ep_length", step, 200.0, float(step))


@pytest.mark.parametrize("seed", range(3))
def test_cleanrl_is_go(tmp_path, write_events, seed):
    texts = {"hyperparameters/text_summary": "|param|value|\n|-|-|\n|gamma|0.99|\n|total_timesteps|20000|\n"}
    write_events(tmp_path / "events.out.tfevents.1", cleanrl(np.random.default_rng(seed)), texts)
    diagnosis = examine(tmp_path)
    assert [f.evidence for f in diagnosis.findings if f.severity.value == "critical"] == []
    assert diagnosis.verdict is Verdict.GO
    assert diagnosis.source.asked["gamma"] == 0.99


@pytest.mark.parametrize("seed", range(3))
def test_stable_baselines_is_go_by_its_returns_without_the_replay_s_q(tmp_path, write_events, seed):
    write_events(tmp_path / "events.out.tfevents.1", stable_baselines(np.random.default_rng(seed)))
    diagnosis = examine(tmp_path)
    assert diagnosis.learning.kind is Learned.LEARNED
    assert diagnosis.verdict is Verdict.GO


def test_a_short_goal_task_that_gets_solved(tmp_path, write_events):
    def samples():
        step = 0
        for episode in range(120):
            length, value = (999, -40.0) if episode < 8 else (120 + episode % 30, 90.0)
            step += length
            yield Scalar("charts/episodic_return", step, value - episode % 5, step)
            yield Scalar("charts/episodic_length", step, length, step)
            if episode % 2:
                yield Scalar("eval/mean_reward", step, value + 0.37 * episode, step)
            if step > 1000:
                q = 60.0 - 60.0 * np.exp(-(step - 1000) / 6000)
                for name, number in {"qf1_values": q, "qf_loss": 1.0 + episode % 3, "actor_loss": -1.05 * q}.items():
                    yield Scalar(f"losses/{name}", step, number, step)

    write_events(tmp_path / "events.out.tfevents.1", samples())
    assert examine(tmp_path).verdict is Verdict.GO
