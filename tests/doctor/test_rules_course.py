"""Rules 10-13 and 18-28, 32-36: configuration, environment, episodes, reward, course of the run."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import pytest

STEPS = range(100, 3100, 100)


def found(engine, rule):
    return [finding for finding in engine.findings() if finding.rule == rule]


def severities(engine, rule):
    return [finding.severity.value for finding in found(engine, rule)]


def every(value, steps=STEPS):
    return [(step, value(step) if callable(value) else float(value)) for step in steps]


def episodes(lengths, returns=None, start=0):
    """Columns of episodes that follow one another from environment step ``start``."""
    ends = [int(end) for end in start + np.cumsum(lengths)]
    values = [float(length) for length in lengths] if returns is None else returns
    return {
        "train/episode_length": list(zip(ends, map(float, lengths))),
        "train/episode_reward": list(zip(ends, map(float, values))),
    }


UPDATES = {"agent/total_iterations": every(lambda step: max(0.0, step - 1000.0))}


class TestUpdatesPerStep:
    @pytest.mark.parametrize(("per_step", "fires"), [(0.02, False), (0.0205, False), (0.03, True), (1.0, True)])
    def test_slope(self, examined, per_step, fires):
        columns = {"agent/total_iterations": every(lambda step: per_step * max(0.0, step - 1000))}
        assert bool(found(examined(columns, train_freq=50, gradient_steps=1), 10)) is fires

    def test_one_burst_at_the_edge_is_no_deviation(self, examined):
        columns = {"agent/total_iterations": every(lambda step: 50.0 * (step // 500))}
        assert found(examined(columns, train_freq=500, gradient_steps=50), 10) == []

    def test_not_asked(self, examined):
        engine = examined(UPDATES)
        assert found(engine, 10) == []
        assert engine.rule(10).missing() == "not asked (train_freq, gradient_steps); 1.000 updates per step measured"

    def test_as_many_updates_as_steps(self, examined):
        assert found(examined(UPDATES, train_freq=8, gradient_steps=-1), 10) == []


class TestLearningRates:
    @pytest.mark.parametrize(("asked", "expected"), [(3e-4, []), (3.02e-4, []), (1e-3, ["warn"]), (1e-6, ["critical"])])
    def test_one_per_cent_and_one_order(self, examined, asked, expected):
        assert severities(examined({"agent/actor_lr": every(3e-4)}, actor_lr=asked), 12) == expected

    def test_one_rate_for_both_networks(self, examined):
        assert len(found(examined({"train/learning_rate": every(3e-4)}, learning_rate=1e-3), 12)) == 2


class TestInferredSettings:
    COLUMNS: ClassVar = {
        "debug/done_ratio": every(lambda step: (step / 100 % 7) / 256),
        "debug/effective_discount": every(lambda step: 0.98 * (1 - (step / 100 % 7) / 256)),
    }

    def test_infers(self, examined):
        gamma, batch = found(examined(self.COLUMNS), 13)
        assert gamma.numbers["gamma"] == pytest.approx(0.98)
        assert batch.numbers["batch_size"] == 256

    def test_contradicts_what_was_asked(self, examined):
        assert severities(examined(self.COLUMNS, gamma=0.99, batch_size=100), 13) == ["warn", "warn"]

    def test_a_mean_over_several_batches(self, examined):
        assert severities(examined(self.COLUMNS, gamma=0.98, batch_size=64), 13) == ["info", "info"]

    def test_a_multiple_may_be_the_true_one(self, examined):
        assert severities(examined(self.COLUMNS, gamma=0.98, batch_size=512), 13) == ["info", "info"]


class TestDeadEnvironment:
    def columns(self, dead, speed=0.0):
        inside = lambda step: 1000 <= step < 1000 + 100 * dead  # noqa: E731
        return {
            "progress/speed_kmh": every(lambda step: speed if inside(step) else 10.0 + step % 7),
            "progress/current_reward": every(lambda step: 0.77 if inside(step) else step % 13),
        }

    def test_three_samples(self, examined):
        finding = found(examined(self.columns(3)), 18)[0]
        assert (finding.first_step, finding.numbers["samples"], finding.numbers["steps"]) == (1000, 3, 200)

    def test_two_samples(self, examined):
        assert found(examined(self.columns(2)), 18) == []

    def test_a_parked_car_jitters(self, examined):
        assert found(examined(self.columns(9, speed=1e-9)), 18) == []

    def test_standing_with_a_varying_reward(self, examined):
        columns = {**self.columns(9), "progress/current_reward": every(lambda step: step * 1e-9)}
        assert found(examined(columns), 18) == []

    def test_every_stretch_is_counted(self, examined):
        dead = lambda step: 500 <= step < 900 or 2000 <= step < 2300  # noqa: E731
        columns = {"progress/speed_kmh": every(lambda s: 0.0 if dead(s) else 5.0), "progress/current_reward": every(1)}
        assert found(examined(columns), 18)[0].numbers["samples"] == 7


class TestRegimeBreak:
    MARK: ClassVar = {"eval/mean_reward": [(2000, 50.0)]}

    def test_shorter_by_six_for_the_same_return(self, examined):
        columns = episodes([20] * 100 + [3] * 100, returns=[100] * 100 + [110] * 100)
        assert found(examined({**columns, **self.MARK}), 19)[0].first_step == 2000

    @pytest.mark.parametrize(
        ("lengths", "returns"),
        [
            ([20] * 100 + [8] * 100, [100.0] * 200),  # by less than three
            ([20] * 100 + [3] * 100, [-50.0] * 100 + [40.0] * 100),  # solved: the return changes its sign
            ([20] * 100 + [100] * 100, [20.0] * 100 + [100.0] * 100),  # longer is learned
            ([20] * 60 + [3] * 267 + [3] * 100, [100.0] * 427),  # a change that lies elsewhere
        ],
    )
    def test_near_misses(self, examined, lengths, returns):
        assert found(examined({**episodes(lengths, returns), **self.MARK}), 19) == []

    def test_needs_an_evaluation(self, examined):
        engine = examined(episodes([20] * 100 + [3] * 100))
        assert found(engine, 19) == []
        assert engine.rule(19).missing() == "no evaluation was logged"


class TestWorseThanRandom:
    def columns(self, random, learned):
        rng = np.random.default_rng(0)
        jitter = [float(value) for value in rng.normal(0.0, 1.0, 60)]
        returns = [random + jitter[i] for i in range(20)] + [learned + jitter[20 + i] for i in range(40)]
        return {**episodes([50] * 60, returns), **UPDATES}

    @pytest.mark.parametrize(
        ("random", "learned", "fires"),
        [(100, 50, True), (100, 70, False), (-100, -150, True), (-1200, -150, False), (-1200, -1500, False)],
    )
    def test_return(self, examined, random, learned, fires):
        assert bool(found(examined(self.columns(random, learned)), 21)) is fires

    def test_shorter_is_not_worse_where_the_return_rose(self, examined):
        columns = {**episodes([200] * 5 + [20] * 40, [-30.0] * 5 + [90.0] * 40), **UPDATES}
        assert found(examined(columns), 21) == []

    def test_what_follows_a_break_does_not_count(self, examined):
        columns = {**episodes([50] * 20 + [20] * 50 + [3] * 60, [50.0] * 20 + [60.0] * 50 + [5.0] * 60), **UPDATES}
        columns["eval/mean_reward"] = [(2000, 50.0)]
        engine = examined(columns)
        assert found(engine, 19) != []
        assert found(engine, 21) == []


class TestTooRegular:
    def test_the_same_length_again_and_again(self, examined):
        assert severities(examined({**episodes([17, 18, 17, 16] * 15)}), 22) == ["warn"]

    def test_a_time_limit_is_regular(self, examined):
        assert found(examined(episodes([200] * 60)), 22) == []

    def test_usual_spread(self, examined):
        assert found(examined(episodes([15, 20] * 30)), 22) == []


class TestLimitIsNoSuccess:
    def test_parked(self, examined):
        columns = {
            "progress/speed_kmh": every(lambda step: 0.1 + step * 1e-5),
            "train/critic_loss": every(1),
            **UPDATES,
        }
        finding = found(examined(columns), 23)[0]
        assert finding.causes == ("policy_parked",)

    def test_queues(self, examined):
        columns = {
            "progress/speed_kmh": every(lambda step: 0.1 if step % 200 else 20.0),
            "train/critic_loss": every(1),
            **UPDATES,
        }
        assert found(examined(columns), 23) == []

    def test_poor_and_constant_at_the_limit(self, examined):
        columns = episodes([20] * 30 + [1000] * 4, [100.0] * 30 + [1000.0] * 4)
        assert severities(examined({**columns, **UPDATES}), 23) == ["critical"]

    def test_one_reward_a_step_is_a_task_of_its_own(self, examined):
        columns = episodes([20] * 30 + [1000] * 4)
        assert found(examined({**columns, **UPDATES}), 23) == []


class TestRewards:
    INVASIONS: ClassVar = {"train/lane_invasions_per_episode": every(1)}

    @pytest.mark.parametrize(
        ("smallest", "invasions", "fires"), [(0.5, 1.0, True), (-0.5, 1.0, False), (0.5, 0.3, False)]
    )
    def test_violation_pays(self, examined, smallest, invasions, fires):
        columns = {
            "progress/current_reward": every(lambda step: smallest if step == 1000 else 3.0),
            "train/lane_invasions_per_episode": every(invasions),
        }
        assert bool(found(examined(columns), 24)) is fires

    @pytest.mark.parametrize(("safety", "fires"), [(0.4, True), (-0.4, False)])
    def test_a_safety_component_that_pays(self, examined, safety, fires):
        columns = {"reward/safety": every(safety), "progress/current_reward": every(-0.1), **self.INVASIONS}
        assert bool(found(examined(columns), 24)) is fires

    @pytest.mark.parametrize(("rest", "fires"), [(0.5, True), (-0.5, False), (-5.0, False)])
    def test_reward_at_rest(self, examined, rest, fires):
        columns = {
            "progress/speed_kmh": every(lambda step: 0.0 if step % 400 == 0 else 20.0),
            "progress/current_reward": every(lambda step: rest if step % 400 == 0 else 1.0),
        }
        assert bool(found(examined(columns), 25)) is fires

    @pytest.mark.parametrize(("progress", "fires"), [(9.0, True), (6.0, False)])
    def test_dominance(self, examined, progress, fires):
        columns = {"reward/progress": every(progress), "reward/comfort": every(-1.5), "reward/safety": every(-1.5)}
        assert bool(found(examined(columns), 26)) is fires

    @pytest.mark.parametrize(("total", "expected"), [(1.0, []), (1.0 + 1e-7, []), (1.001, ["critical"])])
    def test_ledger(self, examined, total, expected):
        parts = {"efficiency": 0.5, "lane_keeping": 0.5, "comfort": -0.25, "safety": 0.0, "progress": 0.25}
        columns = {f"reward/{name}": every(value) for name, value in parts.items()}
        assert severities(examined({**columns, "reward/total": every(total)}), 27) == expected

    @pytest.mark.parametrize(("breaks", "fires"), [(0.0, False), (3.0, True)])
    def test_ledger_counted_step_by_step(self, examined, breaks, fires):
        assert bool(found(examined({"reward/ledger_breaks": every(breaks)}), 27)) is fires


class TestCourse:
    def test_phase_flag(self, examined):
        columns = {
            "agent/is_training": every(lambda step: float(step > 2000)),
            "agent/total_iterations": every(lambda s: max(0.0, s - 1000.0)),
        }
        assert found(examined(columns), 28)[0].first_step == 1100
        columns["agent/is_training"] = every(lambda step: float(step > 1000))
        assert found(examined(columns), 28) == []

    def test_step_time(self, examined):
        finding = found(examined({"progress/buffer_size": every(float), **UPDATES}), 11)[0]
        assert finding.numbers == {"before": pytest.approx(0.1), "after": pytest.approx(0.1)}

    def test_never_started(self, examined):
        assert severities(examined({"progress/buffer_size": every(float)}), 32) == ["critical"]

    def test_a_short_run_may_not_have_started_yet(self, examined):
        assert found(examined({"progress/buffer_size": every(float, range(100, 1900, 100))}), 32) == []

    def test_learning_start_beyond_the_run(self, examined):
        assert severities(examined({"progress/buffer_size": every(float)}, learning_starts=5000, steps=3000), 32) == [
            "critical"
        ]

    def test_a_loss_of_another_name_is_not_no_loss(self, examined):
        engine = examined({"progress/buffer_size": every(float), "my/value_loss": every(1)})
        assert found(engine, 32) == []
        assert "my/value_loss" in engine.rule(32).missing()

    def test_completeness(self, examined, healthy):
        assert found(examined(healthy(), steps=6000), 33) == []
        cut = {
            tag: [(s, v) for s, v in points if s <= 3000] for tag, points in healthy().items() if tag != "run/finished"
        }
        assert severities(examined(cut, steps=6000), 33) == ["insufficient"]

    def test_an_unknown_plan_is_said(self, examined):
        engine = examined({"losses/actor_loss": every(-1)})
        assert "plan unknown" in engine.rule(33).missing()

    @pytest.mark.parametrize(
        "gone", ["train/actor_loss", "train/q1_value", "train/critic_loss", "train/episode_length"]
    )
    def test_what_go_needs(self, examined, healthy, gone):
        columns = healthy()
        related = {
            "train/actor_loss": ["debug/q1_for_actor_mean"],
            "train/q1_value": ["train/q2_value"],
            "train/episode_length": ["train/episode_reward"],
        }
        for tag in [gone, *related.get(gone, [])]:
            del columns[tag]
        assert severities(examined(columns), 34) == ["insufficient"]

    def test_flat_series(self, examined):
        assert severities(examined({"train/critic_loss": every(1)}), 35) == ["warn"]
        assert found(examined({"train/critic_loss": every(lambda step: step * 1e-9)}), 35) == []

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_non_finite(self, examined, bad):
        columns = {"whatever/tag": [(100, 1.0), (200, bad)]}
        assert found(examined(columns), 36)[0].first_step == 200

    def test_large_is_finite(self, examined):
        assert found(examined({"whatever/tag": every(3e38)}), 36) == []
