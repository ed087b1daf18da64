# SPDX-License-Identifier: Apache-2.0
"""Runs of other algorithms are told by their own tags, and are not asked for what they have not."""

from __future__ import annotations

import numpy as np
import pytest

from td3_driving.doctor.diagnosis import Source, Verdict, conclude
from td3_driving.doctor.scope import BANDIT, DQN, OFF_POLICY, ON_POLICY, SUPERVISED, UNKNOWN, scope_of
from td3_driving.doctor.summary import not_judged

from .rule_harness import every

STEPS = range(1000, 101_000, 1000)
RETURNS = {"rollout/ep_rew_mean": every(lambda step: 20 + step / 300, STEPS), "rollout/ep_len_mean": every(200, STEPS)}


def columns(*tags):
    rng = np.random.default_rng(0)
    return {tag: every(lambda step: float(rng.normal(0.1, 0.01)), STEPS) for tag in tags}


@pytest.mark.parametrize(
    ("tags", "name", "family"),
    [
        (
            ("train/approx_kl", "train/clip_fraction", "train/value_loss", "train/policy_gradient_loss"),
            "PPO",
            ON_POLICY,
        ),
        (("losses/approx_kl", "losses/clipfrac", "losses/value_loss", "losses/policy_loss"), "PPO", ON_POLICY),
        (("train/policy_loss", "train/value_loss", "train/entropy_loss"), "A2C", ON_POLICY),
        (("train/loss", "rollout/exploration_rate"), "DQN", DQN),
        (("train/actor_loss", "train/critic_loss", "train/ent_coef"), "SAC", OFF_POLICY),
        (("losses/actor_loss", "losses/qf1_loss", "losses/qf1_values", "losses/qf2_values"), "TD3", OFF_POLICY),
    ],
)
def test_the_algorithm_is_told_by_its_series(examined, tags, name, family):
    found = scope_of(examined({**columns(*tags), **RETURNS}).history)
    assert (found.name, found.family) == (name, family)


@pytest.mark.parametrize(
    ("asked", "name"),
    [("ddpg", "DDPG"), ("SAC", "SAC"), ("my_package.my_module:MyAlgorithm", "MyAlgorithm"), ("", "TD3")],
)
def test_the_algorithm_that_was_asked_for_names_the_run(examined, asked, name):
    tags = ("train/actor_loss", "train/critic_loss", "train/q1_value", "train/q2_value")
    found = scope_of(examined(columns(*tags), algorithm=asked).history)
    assert (found.name, found.family) == (name, OFF_POLICY)


def test_supervised_and_bandit(examined):
    assert scope_of(examined(columns("train/loss", "val/loss", "val/accuracy")).history).family == SUPERVISED
    assert scope_of(examined(columns("regret")).history).family == BANDIT
    assert scope_of(examined(columns("something/else")).history).family == UNKNOWN


def test_a_policy_gradient_is_judged_by_its_returns_and_asked_for_no_q(examined):
    tags = ("train/approx_kl", "train/clip_fraction", "train/value_loss", "train/policy_gradient_loss")
    diagnosis = conclude(examined({**columns(*tags), **RETURNS}), Source("ppo", "ppo"))
    assert diagnosis.verdict is Verdict.GO
    lines = not_judged(diagnosis)
    assert not any("Q on replay" in line or "actor's loss" in line for line in lines)
    assert any("PPO" in line and "not asked" in line for line in lines)


def test_a_supervised_run_is_judged_by_its_loss(examined):
    loss = {"train/loss": every(lambda step: 2.3 * np.exp(-step / 20_000), STEPS)}
    loss["val/loss"] = every(lambda step: 0.1 + 2.3 * np.exp(-step / 20_000), STEPS)
    assert conclude(examined(loss), Source("net", "net")).verdict is Verdict.GO


@pytest.mark.parametrize(("divergence", "rising", "expected"), [(0.0, False, "critical"), (0.01, True, None)])
def test_the_size_of_the_policy_s_steps(examined, divergence, rising, expected):
    tags = ("train/clip_fraction", "train/value_loss", "train/policy_gradient_loss")
    run = {**columns(*tags), **(RETURNS if rising else {}), "train/approx_kl": every(divergence, STEPS)}
    found = [item.severity.value for item in examined(run).findings() if item.rule == "policy-steps"]
    assert found == ([expected] if expected else [])


def test_large_steps_are_a_cause_only_where_nothing_was_learned(examined):
    run = {"train/approx_kl": every(1.0, STEPS), "train/clip_fraction": every(0.7, STEPS)}
    run["train/value_loss"] = every(lambda step: 1.0 + step % 7, STEPS)
    severity = {item.rule: item.severity.value for item in examined({**run, **RETURNS}).findings()}
    assert severity["policy-steps"] == "warn"
    flat = {"rollout/ep_rew_mean": every(lambda step: 20 + step % 3, STEPS)}
    severity = {item.rule: item.severity.value for item in examined({**run, **flat}).findings()}
    assert severity["policy-steps"] == "critical"
