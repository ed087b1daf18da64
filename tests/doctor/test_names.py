# SPDX-License-Identifier: Apache-2.0
"""Tags of other libraries, as these write them, and what the doctor takes them for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.doctor.aliases import TAGS
from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.names import NORMAL_FORMS, Names, normal_form, parse_tags, suggestions

LIBRARIES = {
    "Stable-Baselines3": {
        "train/actor_loss": "actor_loss",
        "train/critic_loss": "critic_loss",
        "rollout/ep_rew_mean": "episode_return_mean",
        "rollout/success_rate": "success_rate",
        "eval/mean_reward": "eval_return",
        "train/n_updates": "updates",
    },
    "CleanRL": {
        "losses/qf1_values": "q1",
        "losses/qf_loss": "critic_loss",
        "losses/alpha": "entropy_coefficient",
        "charts/episodic_return": "episode_return",
        "charts/SPS": "steps_per_second",
    },
    "skrl": {
        "Q-network / Q1 (mean)": "q1",
        "Q-network / Q1 (max)": "q_max",
        "Q-network / Q2 (mean)": "q2",
        "Loss / Policy loss": "actor_loss",
        "Loss / Critic loss": "critic_loss",
        "Target / Target (mean)": "target_q",
        "Reward / Total reward (mean)": "episode_return_mean",
        "Reward / Instantaneous reward (mean)": "step_reward_mean",
        "Episode / Total timesteps (mean)": "episode_length_mean",
    },
    "SpinningUp": {
        "AverageQ1Vals": "q1",
        "MaxQ1Vals": "q_max",
        "AverageQVals": "q1",
        "LossPi": "actor_loss",
        "LossQ": "critic_loss",
        "AverageEpRet": "episode_return_mean",
        "StdEpRet": "episode_return_std",
        "AverageTestEpRet": "eval_return",
        "EpLen": "episode_length_mean",
    },
    "rl_games": {
        "rewards/step": "episode_return_mean",
        "episode_lengths/step": "episode_length_mean",
        "losses/c1_loss": "critic_loss",
        "info/kl": "approx_kl",
    },
    "RLlib": {
        "ray/tune/episode_reward_mean": "episode_return_mean",
        "env_runners/episode_return_mean": "episode_return_mean",
        "ray/tune/env_runners/episode_return_mean": "episode_return_mean",
        "ray/tune/info/learner/default_policy/learner_stats/mean_q": "q1",
        "info/learner/default_policy/learner_stats/critic_loss": "critic_loss",
        "learners/default_policy/qf_loss": "critic_loss",
        "evaluation/env_runners/episode_return_mean": "eval_return",
    },
    "Tianshou": {
        "test/reward": "eval_return",
        "train/returns_stat/mean": "episode_return_mean",
        "update/critic_loss": "critic_loss",
        "update/loss/actor": "actor_loss",
    },
    "d3rlpy": {
        "metrics/critic_loss": "critic_loss",
        "metrics/actor_loss": "actor_loss",
        "environment": "eval_return",
        "temp": "entropy_coefficient",
    },
    "pytorch-soft-actor-critic": {
        "loss/critic_1": "critic_loss",
        "loss/critic_2": "critic_loss_2",
        "loss/policy": "actor_loss",
        "entropy_temprature/alpha": "entropy_coefficient",
        "reward/train": "episode_return",
        "avg_reward/test": "eval_return",
    },
    "DRL robot navigation": {
        "Av. Q": "target_q",
        "Max. Q": "q_max",
        "loss": "critic_loss",
        "train/avg_Q": "target_q",
        "eval/avg_col": "eval_collisions",
    },
    "TorchRL": {"train/loss_qvalue": "critic_loss", "train/q_loss": "critic_loss", "train/a_loss": "actor_loss"},
    "LeRobot": {"eval/avg_sum_reward": "eval_return", "eval/pc_success": "eval_success", "loss_critic": "critic_loss"},
}
CASES = [(library, tag, name) for library, tags in LIBRARIES.items() for tag, name in tags.items()]


@pytest.mark.parametrize(("library", "tag", "name"), CASES)
def test_tags_as_libraries_write_them(library, tag, name):
    assert Names().quantity(tag) == name


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("Actor Loss", "actor_loss"),
        ("critic/loss", "critic_loss"),
        ("losses/critic", "critic_loss"),
        ("Train-Critic Loss", "critic_loss"),
        ("mean_episode_reward", "episode_return_mean"),
        ("Avg Reward", "episode_return_mean"),
        ("Reward/Episode", "episode_return"),
        ("score", "episode_return"),
        ("Test/Average Return", "eval_return"),
        ("stats/mean_q_1", "q1"),
        ("q_value/q1_max", "q_max"),
        ("episode_length [steps]", "episode_length"),
        ("reward/step", "step_reward"),
        ("losses/actor_grad_norm", "grad_actor_pre"),
        ("losses/critic_grad_norm", "grad_critic_pre"),
        ("losses/td_error", "td_error"),
        ("plan/q1_value_of_day", None),
        ("my/thing", None),
        ("system/gpu_temp", None),
    ],
)
def test_roles_need_every_word_to_be_understood(tag, name):
    assert Names().quantity(tag) == name


@given(st.sampled_from([tag for tags in TAGS.values() for tag in tags]), st.randoms(use_true_random=False))
def test_case_and_separators_do_not_matter(tag, rng):
    changed = "".join(rng.choice(" _-/") if letter in " _-/" else letter for letter in tag)
    assert normal_form(changed) == normal_form(tag)
    assert normal_form(changed.lower()) == normal_form(tag.lower())


@pytest.mark.parametrize(
    "tag", ["progress/speed_kmh", "progress speed-kmh", "progress-speed kmh", "progress/speed/kmh"]
)
def test_a_unit_is_no_part_of_the_name(tag):
    assert normal_form(tag) == "progress speed" and Names().quantity(tag) == "speed"


def test_no_normal_form_names_two_quantities():
    names = Names()
    for name, tags in TAGS.items():
        for tag in tags:
            assert names.quantity(tag.replace("*", "own_term")) == name.replace("*", "own_term")
            assert NORMAL_FORMS.get(normal_form(tag), name) == name


def test_any_term_of_the_reward_is_one_but_not_what_has_another_meaning():
    names = Names()
    assert names.quantity("reward/time_to_collision") == "term_time_to_collision"
    assert names.quantity("rewards/time_to_collision_component") == "term_time_to_collision"
    assert names.quantity("reward/total") == "reward_total" and names.quantity("reward/train") == "episode_return"
    assert names.quantity("reward/Two Words") is None
    assert Names({"term_headway": "mine"}).quantity("mine") == "term_headway"


def test_of_two_tags_the_surest_is_taken():
    assert Names().settle(["stats/mean_q_1", "losses/qf1_values"])["q1"] == "losses/qf1_values"
    assert Names().settle(["losses/qf1_values", "train/q1_value"])["q1"] == "train/q1_value"


def test_by_hand_beats_the_list():
    names = Names({"q1": "mine"})
    assert names.settle(["losses/qf1_values", "mine"])["q1"] == "mine"
    assert names.absent(["losses/qf1_values", "mine"]) == ""
    assert "the run has no such tag" in names.absent(["losses/qf1_values"])


def test_a_policy_loss_beside_a_value_loss_is_a_policy_gradient_s():
    on_policy = ["Loss / Policy loss", "Loss / Value loss"]
    assert set(Names().settle(on_policy)) == {"policy_loss", "value_loss"}
    assert set(Names().settle(["Loss / Policy loss", "Loss / Critic loss"])) == {"actor_loss", "critic_loss"}


def test_a_loss_beside_an_accuracy_is_no_critic_s():
    assert set(Names().settle(["train/loss", "val/accuracy"])) == {"train_loss", "eval_accuracy"}
    assert set(Names().settle(["train/loss", "rollout/exploration_rate"])) == {"critic_loss", "exploration_rate"}


def test_suggestions_name_what_is_missing():
    assert suggestions(["stats/mean_q_1_today", "abc"], []) == ["q1=stats/mean_q_1_today"]
    assert suggestions(["stats/mean_q_1_today"], ["q1"]) == []


@pytest.mark.parametrize("pair", ["q1", "=x", "q1="])
def test_a_mapping_without_two_sides_is_refused(pair):
    with pytest.raises(Unusable, match="not of the form"):
        parse_tags([pair])


def test_a_mapping_to_no_series_is_refused():
    with pytest.raises(Unusable, match="did you mean 'q1'"):
        Names({"q_1": "x"})
