# SPDX-License-Identifier: Apache-2.0
"""Whether it learned, copied episodes, and when a flat curve condemns a run."""

from __future__ import annotations

import numpy as np
import pytest

from td3_driving.doctor.diagnosis import Source, Verdict, conclude
from td3_driving.doctor.learning import learning_of
from td3_driving.doctor.learning_curve import Learned

from .rule_harness import found, severities


def run(count, returns, lengths=200.0, spacing=200, first=200, **more):
    """Columns of a run of another library: ``count`` episodes, Q that goes on moving unless ``more`` says otherwise."""
    steps = [first + spacing * index for index in range(count)]

    def column(values):
        return list(zip(steps, map(float, np.broadcast_to(np.asarray(values, dtype=float), count))))

    moving = -np.linspace(1.0, 100.0, count)
    columns = {
        "charts/episodic_return": column(returns),
        "charts/episodic_length": column(lengths),
        "losses/qf1_values": column(moving),
        "losses/qf2_values": column(moving),
        "losses/actor_loss": column(-moving),
        "losses/qf_loss": column(1.0 + 0.1 * np.sin(np.arange(count))),
    }
    return {**columns, **{name.replace("__", "/"): column(values) for name, values in more.items()}}


def flat(count, seed=0):
    return -1250.0 + 100.0 * np.random.default_rng(seed).normal(size=count)


def verdict(engine):
    return conclude(engine, Source("run", "run")).verdict


class TestBudget:
    def test_flat_over_many_steps(self, examined):
        engine = examined(run(150, flat(150)))
        assert tuple(found(engine, "learning")[0].causes) == ("never_learned",)
        assert verdict(engine) is Verdict.NO_GO

    def test_flat_over_few_is_early(self, examined):
        engine = examined(run(40, flat(40)))
        assert found(engine, "learning") == []
        assert verdict(engine) is Verdict.INSUFFICIENT
        assert learning_of(engine.history).early

    def test_flat_over_all_that_was_planned(self, examined):
        assert verdict(examined(run(40, flat(40)), steps=8000)) is Verdict.NO_GO

    def test_flat_while_the_critic_has_settled_too(self, examined):
        settled = -100.0 * (1.0 - np.exp(-np.linspace(0.0, 12.0, 40)))
        columns = run(40, flat(40), losses__qf1_values=settled, losses__qf2_values=settled, losses__actor_loss=-settled)
        assert verdict(examined(columns)) is Verdict.NO_GO

    def test_few_episodes_say_nothing(self, examined):
        assert verdict(examined(run(5, flat(5)))) is Verdict.INSUFFICIENT

    def test_a_clear_rise_needs_no_budget(self, examined):
        engine = examined(run(40, np.where(np.arange(40) < 15, -1250.0, -200.0) + 0.1 * flat(40)))
        assert severities(engine, "learning") == ["info"]
        assert verdict(engine) is Verdict.GO


class TestFloors:
    def test_episodes_of_a_few_steps(self, examined):
        values = 29.0 + np.random.default_rng(0).normal(size=300)
        engine = examined(run(300, values, lengths=3.0, spacing=100))
        assert learning_of(engine.history).kind is Learned.FLOOR
        assert "3 steps" in learning_of(engine.history).sentence

    def test_success_of_nothing(self, examined):
        columns = run(150, flat(150), rollout__success_rate=0.0)
        assert learning_of(examined(columns).history).kind is Learned.FLOOR

    def test_zero_at_every_point(self, examined):
        engine = examined(run(150, 0.0))
        assert learning_of(engine.history).kind is Learned.FLOOR
        assert verdict(engine) is Verdict.NO_GO

    def test_a_constant_return_above_zero_may_be_a_ceiling(self, examined):
        engine = examined(run(150, 500.0, lengths=500.0, spacing=500))
        assert learning_of(engine.history).kind is Learned.UNKNOWN
        assert found(engine, "learning") == []

    def test_a_ceiling_that_was_climbed_is_learned(self, examined):
        values = np.minimum(20.0 + 8.0 * np.arange(150), 500.0)
        assert learning_of(examined(run(150, values, lengths=values, spacing=500)).history).kind is Learned.LEARNED

    def test_costs_driven_to_nothing_by_standing_still(self, examined):
        values = -33.0 * np.exp(-np.arange(150) / 10.0) - 0.01
        engine = examined(run(150, values, lengths=500.0, spacing=500))
        assert learning_of(engine.history).kind is Learned.FLOOR

    def test_costs_that_fall_to_a_tenth_are_learned(self, examined):
        values = -1100.0 * np.exp(-np.arange(150) / 10.0) - 150.0
        assert learning_of(examined(run(150, values)).history).kind is Learned.LEARNED


class TestKnownTasks:
    def test_solved_from_the_first_point_on(self, examined):
        values = 497.0 + np.random.default_rng(0).normal(size=150)
        known = examined(run(150, values, lengths=500.0, spacing=500), env_id="CartPole-v1")
        assert learning_of(known.history).kind is Learned.LEARNED
        assert learning_of(examined(run(150, values, lengths=500.0, spacing=500)).history).kind is Learned.FLAT

    @pytest.mark.parametrize(("lengths", "kind"), [(999.0, Learned.FLOOR), (998.0, Learned.LEARNED)])
    def test_mountain_car_by_its_episodes(self, examined, lengths, kind):
        values = -20.0 * np.exp(-np.arange(60) / 8.0) - 2.3 + 0.1 * np.random.default_rng(0).normal(size=60)
        assert learning_of(examined(run(60, values, lengths=lengths, spacing=1000)).history).kind is kind


class TestWholeRuns:
    def test_learned_and_lost(self, examined):
        values = np.where(np.arange(150) < 40, -1250.0, np.where(np.arange(150) < 100, -200.0, -1300.0))
        engine = examined(run(150, values + 0.05 * flat(150)))
        assert tuple(found(engine, "learning")[0].causes) == ("learned_and_lost",)
        assert verdict(engine) is Verdict.NO_GO

    def test_a_resumed_run_is_not_condemned_for_being_level(self, examined):
        values = 290.0 + 5.0 * np.random.default_rng(0).normal(size=150)
        engine = examined(run(150, values, first=1_000_000))
        assert learning_of(engine.history).kind is Learned.HELD
        assert severities(engine, "learning") == ["info"]

    def test_evaluations_may_say_what_training_hides(self, examined):
        evaluated = np.where(np.arange(150) < 40, -1250.0, -150.0) + 0.1 * flat(150)
        engine = examined(run(150, flat(150), eval__mean_reward=evaluated))
        assert learning_of(engine.history).kind.good
        assert "evaluation" in learning_of(engine.history).sentence

    def test_few_flat_evaluations_do_not_overrule_a_curve_that_moves(self, examined):
        values = np.where(np.arange(150) < 60, -1250.0, -1000.0) + 0.05 * flat(150)
        columns = run(150, values)
        columns["eval/mean_reward"] = [(4000 * k, -1250.0 + 10.0 * (k % 2)) for k in range(1, 8)]
        engine = examined(columns)
        assert learning_of(engine.history).kind is not Learned.FLAT
        assert verdict(engine) is not Verdict.NO_GO

    def test_a_go_tells_its_warnings(self, examined):
        values = np.where(np.arange(150) < 40, -1250.0, np.where(np.arange(150) < 110, -200.0, -650.0))
        diagnosis = conclude(examined(run(150, values + 0.05 * flat(150))), Source("run", "run"))
        assert diagnosis.verdict is Verdict.GO
        assert [item.rule for item in diagnosis.warnings] == ["learning"]


class TestCopiedEpisodes:
    @staticmethod
    def values(dead):
        values = 10.0 + np.random.default_rng(0).normal(size=60)
        return np.where(np.arange(60) < 30, values, dead)

    def test_the_same_return_to_the_digit(self, examined):
        engine = examined(run(60, self.values(6.244318)))
        assert severities(engine, "copied-episodes") == ["critical"]
        assert tuple(found(engine, "copied-episodes")[0].causes) == ("environment_dead",)

    def test_counted_rewards_repeat(self, examined):
        assert found(examined(run(60, self.values(1.0))), "copied-episodes") == []

    def test_seven_may_be_chance(self, examined):
        values = 10.0 + np.random.default_rng(0).normal(size=60)
        values[-7:] = 6.244318
        assert found(examined(run(60, values)), "copied-episodes") == []


class TestAxes:
    def test_episodes_by_their_number(self, examined):
        """Returns over episode numbers, losses over updates: neither is read on the other's axis."""
        values = np.where(np.arange(300) < 100, -1250.0, -200.0) + 0.05 * flat(300)
        columns = {"reward/train": [(index, float(value)) for index, value in enumerate(values)]}
        columns["loss/critic_1"] = [(index, 1.0 + index % 3) for index in range(150, 60_000, 100)]
        columns["loss/policy"] = [(index, 1.0 + index % 5) for index in range(150, 60_000, 100)]
        engine = examined(columns)
        assert learning_of(engine.history).numbers["start"] == pytest.approx(-1312.5, abs=20.0)
        assert learning_of(engine.history).kind is Learned.LEARNED

    def test_many_short_episodes_are_no_whole_budget(self, examined):
        values = 21.0 + 3.0 * np.random.default_rng(0).normal(size=110)
        assert verdict(examined(run(110, values, lengths=20.0, spacing=20))) is Verdict.INSUFFICIENT


class TestCutShort:
    def test_what_was_learned_stands(self, examined):
        values = np.where(np.arange(60) < 20, -1250.0, -200.0) + 0.05 * flat(60)
        diagnosis = conclude(examined(run(60, values), steps=100_000), Source("run", "run"))
        assert diagnosis.verdict is Verdict.GO
        assert [item.rule for item in diagnosis.warnings] == ["completeness"]

    def test_what_was_not_is_not_known(self, examined):
        assert verdict(examined(run(60, flat(60)), steps=100_000)) is Verdict.INSUFFICIENT


@pytest.mark.parametrize("every", [2, 4])
@pytest.mark.parametrize("episodes", [40, 360])
def test_a_running_mean_is_taken_apart(examined, every, episodes):
    """The mean over the last 100 episodes still hides what the last ones return; their sums do not."""
    rng = np.random.default_rng(0)
    good = np.arange(episodes) >= 0.6 * episodes
    returns = np.where(good, -150.0, -1300.0) + 20.0 * rng.normal(size=episodes)
    lengths = rng.integers(150, 250, episodes)
    ends = np.cumsum(lengths)
    columns = {"rollout/ep_rew_mean": [], "rollout/ep_len_mean": []}
    for last in range(every - 1, episodes, every):
        seen = slice(max(0, last - 99), last + 1)
        columns["rollout/ep_rew_mean"].append((int(ends[last]), float(np.float32(returns[seen].mean()))))
        columns["rollout/ep_len_mean"].append((int(ends[last]), float(np.float32(lengths[seen].mean()))))
    learning = learning_of(examined(columns).history)
    assert learning.kind is Learned.LEARNED
    assert learning.curve.values[-1] == pytest.approx(float(returns[episodes - every :].mean()), abs=0.1)


def test_a_mean_of_another_kind_is_left_alone(examined):
    values = -1300.0 + 20.0 * np.random.default_rng(0).normal(size=60)
    columns = {"rollout/ep_rew_mean": [(1000 * k, float(v)) for k, v in enumerate(values, 1)]}
    columns["rollout/ep_len_mean"] = [(1000 * k, 200.0 + k % 7) for k in range(1, 61)]
    learning = learning_of(examined(columns).history)
    assert learning.curve.values == pytest.approx(values)


@pytest.mark.parametrize(
    ("env", "lengths", "kind"),
    [
        ("MountainCar-v0", 200.0, Learned.LEARNED),
        ("MountainCar-v0", 500.0, Learned.FLAT),
        ("mountain_car", 200.0, Learned.FLAT),
        ("MyMountainCar-v0", 200.0, Learned.FLAT),
        ("gymnasium:MountainCar-v0", 120.0, Learned.LEARNED),
    ],
)
def test_a_task_is_known_by_its_exact_id_and_its_limit(examined, env, lengths, kind):
    values = -105.0 + np.random.default_rng(0).normal(size=150)
    engine = examined(run(150, values, lengths=lengths, spacing=500), env_id=env)
    assert learning_of(engine.history).kind is kind


@pytest.mark.parametrize(("dead", "expected"), [(-22.8246, ["critical"]), (-23.0, [])])
def test_means_that_repeat_to_the_digit(examined, dead, expected):
    values = [-0.1, 0.87, -19.9, -33.1, -21.4] + [dead] * 7
    columns = {"AverageEpRet": [(500 * k, v) for k, v in enumerate(values, 1)]}
    columns["EpLen"] = [(500 * k, 200.0) for k in range(1, 13)]
    assert severities(examined(columns), "copied-episodes") == expected


def test_a_series_that_begins_late_makes_no_resumed_run(examined):
    columns = {"eval/mean_reward": [(100_000 + 100 * k, -100.0 + k % 3) for k in range(60)]}
    columns["train/learning_rate"] = [(100 * k, 1e-3) for k in range(1, 1060)]
    assert learning_of(examined(columns).history).kind is not Learned.HELD
    del columns["train/learning_rate"]
    assert learning_of(examined(columns).history).kind is Learned.HELD


def test_a_plan_of_steps_is_not_held_against_a_count_of_updates(examined):
    columns = {
        "loss": [(k, 1.0 + k % 3) for k in range(1, 1500, 10)],
        "Av. Q": [(k, 0.1 * (k % 5)) for k in range(1, 1500, 10)],
    }
    engine = examined(columns, total_timesteps=5000)
    assert found(engine, "completeness") == []
    assert "environment steps" in engine.rule("completeness").missing()
