# SPDX-License-Identifier: Apache-2.0
"""Rules about environment, episodes and reward."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from .rule_harness import episodes, every, found, severities

UPDATES = {"agent/total_iterations": every(lambda step: max(0.0, step - 1000.0))}


class TestDeadEnvironment:
    def columns(self, dead, speed=0.0):
        inside = lambda step: 1000 <= step < 1000 + 100 * dead  # noqa: E731
        return {
            "progress/speed_kmh": every(lambda step: speed if inside(step) else 10.0 + step % 7),
            "progress/current_reward": every(lambda step: 0.77 if inside(step) else step % 13),
        }

    def test_three_samples(self, examined):
        finding = found(examined(self.columns(3)), "dead-environment")[0]
        assert (finding.first_step, finding.numbers["samples"], finding.numbers["steps"]) == (1000, 3, 200)

    def test_two_samples(self, examined):
        assert found(examined(self.columns(2)), "dead-environment") == []

    def test_a_parked_car_jitters(self, examined):
        assert found(examined(self.columns(9, speed=1e-9)), "dead-environment") == []

    def test_standing_with_a_varying_reward(self, examined):
        columns = {**self.columns(9), "progress/current_reward": every(lambda step: step * 1e-9)}
        assert found(examined(columns), "dead-environment") == []

    @pytest.mark.parametrize(("throttle", "count"), [(-0.1, 0), (0.0, 1), (0.6, 1)])
    def test_brakes_explain_a_standstill(self, examined, throttle, count):
        columns = {**self.columns(9), "action/throttle_mean": every(throttle)}
        assert len(found(examined(columns), "dead-environment")) == count

    def test_every_stretch_is_counted(self, examined):
        dead = lambda step: 500 <= step < 900 or 2000 <= step < 2300  # noqa: E731
        columns = {"progress/speed_kmh": every(lambda s: 0.0 if dead(s) else 5.0), "progress/current_reward": every(1)}
        assert found(examined(columns), "dead-environment")[0].numbers["samples"] == 7


class TestRegimeBreak:
    MARK: ClassVar = {"eval/mean_reward": [(2000, 50.0)]}

    def test_shorter_by_six_for_the_same_return(self, examined):
        columns = episodes([20] * 100 + [3] * 100, returns=[100] * 100 + [110] * 100)
        assert found(examined({**columns, **self.MARK}), "regime-break")[0].first_step == 2000

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
        assert found(examined({**episodes(lengths, returns), **self.MARK}), "regime-break") == []

    @pytest.mark.parametrize(("start", "fires"), [(600, False), (0, True)])
    def test_random_driving_is_no_measure_of_a_policy_that_begins_to_learn(self, examined, start, fires):
        """Standing episodes of the random phase, then short ones: a break only if it was learning all along."""
        columns = {**episodes([128] * 5 + [29] * 30, [-4.0] * 5 + [-6.0] * 30), "eval/mean_reward": [(640, -5.0)]}
        columns["agent/total_iterations"] = every(lambda step: max(step - start, 0), range(0, 1500, 20))
        assert bool(found(examined(columns), "regime-break")) is fires

    def test_needs_an_evaluation(self, examined):
        engine = examined(episodes([20] * 100 + [3] * 100))
        assert found(engine, "regime-break") == []
        assert engine.rule("regime-break").missing() == "no evaluation was logged"


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
        assert bool(found(examined(self.columns(random, learned)), "worse-than-random")) is fires

    def test_shorter_is_not_worse_where_the_return_rose(self, examined):
        columns = {**episodes([200] * 5 + [20] * 40, [-30.0] * 5 + [90.0] * 40), **UPDATES}
        assert found(examined(columns), "worse-than-random") == []

    def test_what_follows_a_break_does_not_count(self, examined):
        columns = {**episodes([50] * 20 + [20] * 50 + [3] * 60, [50.0] * 20 + [60.0] * 50 + [5.0] * 60), **UPDATES}
        columns["eval/mean_reward"] = [(2000, 50.0)]
        engine = examined(columns)
        assert found(engine, "regime-break") != []
        assert found(engine, "worse-than-random") == []


class TestTooRegular:
    def test_the_same_length_again_and_again(self, examined):
        assert severities(examined({**episodes([17, 18, 17, 16] * 15)}), "too-regular") == ["warn"]

    def test_a_time_limit_is_regular(self, examined):
        assert found(examined(episodes([200] * 60)), "too-regular") == []

    def test_usual_spread(self, examined):
        assert found(examined(episodes([15, 20] * 30)), "too-regular") == []


class TestLimitIsNoSuccess:
    def test_parked(self, examined):
        columns = {
            "progress/speed_kmh": every(lambda step: 0.1 + step * 1e-5),
            "train/critic_loss": every(1),
            **UPDATES,
        }
        finding = found(examined(columns), "limit-is-no-success")[0]
        assert tuple(finding.causes) == ("policy_parked",)

    def test_queues(self, examined):
        columns = {
            "progress/speed_kmh": every(lambda step: 0.1 if step % 200 else 20.0),
            "train/critic_loss": every(1),
            **UPDATES,
        }
        assert found(examined(columns), "limit-is-no-success") == []

    def test_poor_and_constant_at_the_limit(self, examined):
        columns = episodes([20] * 30 + [1000] * 4, [100.0] * 30 + [1000.0] * 4)
        assert severities(examined({**columns, **UPDATES}), "limit-is-no-success") == ["critical"]

    def test_nothing_for_running_out_of_time_is_a_sparse_reward(self, examined):
        columns = episodes([20] * 30 + [50] * 10, [1.0] * 30 + [0.0] * 10)
        assert found(examined({**columns, **UPDATES}), "limit-is-no-success") == []

    def test_failures_that_become_fewer_are_learning(self, examined):
        columns = episodes([1000] * 4 + [20] * 30, [1000.0] * 4 + [100.0] * 30)
        assert found(examined({**columns, **UPDATES}), "limit-is-no-success") == []

    def test_one_reward_a_step_is_a_task_of_its_own(self, examined):
        columns = episodes([20] * 30 + [1000] * 4)
        assert found(examined({**columns, **UPDATES}), "limit-is-no-success") == []


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
        assert bool(found(examined(columns), "violation-pays")) is fires

    @pytest.mark.parametrize(("reason", "fires"), [(0.0, False), (2.0, True)])
    def test_a_marking_that_is_touched_on_the_way_to_the_goal_is_no_violation(self, examined, reason, fires):
        columns = {
            "progress/current_reward": every(0.5),
            "train/lane_invasions_per_episode": every(25.0),
            "episode/exit_reason": every(reason),
        }
        assert bool(found(examined(columns), "violation-pays")) is fires

    @pytest.mark.parametrize(("episodes_seen", "fires"), [(1, False), (4, False), (5, True)])
    def test_few_episodes_do_not_tell_whether_violations_pay(self, examined, episodes_seen, fires):
        columns = {
            "progress/current_reward": every(0.5),
            "train/lane_invasions_per_episode": every(25.0)[:episodes_seen],
        }
        assert bool(found(examined(columns), "violation-pays")) is fires

    @pytest.mark.parametrize(("safety", "fires"), [(0.4, True), (-0.4, False)])
    def test_a_safety_component_that_pays(self, examined, safety, fires):
        columns = {"reward/safety": every(safety), "progress/current_reward": every(-0.1), **self.INVASIONS}
        assert bool(found(examined(columns), "violation-pays")) is fires

    @pytest.mark.parametrize(("rest", "fires"), [(0.5, True), (-0.5, False), (-5.0, False)])
    def test_reward_at_rest(self, examined, rest, fires):
        columns = {
            "progress/speed_kmh": every(lambda step: 0.0 if step % 400 == 0 else 20.0),
            "progress/current_reward": every(lambda step: rest if step % 400 == 0 else 1.0),
        }
        assert bool(found(examined(columns), "reward-at-rest")) is fires

    @pytest.mark.parametrize(("progress", "fires"), [(9.0, True), (6.0, False)])
    def test_dominance(self, examined, progress, fires):
        columns = {"reward/progress": every(progress), "reward/comfort": every(-1.5), "reward/safety": every(-1.5)}
        columns["reward/total"] = every(progress - 3.0)
        assert bool(found(examined(columns), "reward-dominance")) is fires

    @pytest.mark.parametrize(("total", "expected"), [(1.0, []), (1.0 + 1e-7, []), (1.001, ["critical"])])
    def test_ledger(self, examined, total, expected):
        terms = {"efficiency": 0.5, "lane_keeping": 0.5, "comfort": -0.25, "safety": 0.0, "progress": 0.25}
        columns = {f"reward/{name}": every(value) for name, value in terms.items()}
        assert severities(examined({**columns, "reward/total": every(total)}), "reward-ledger") == expected

    @pytest.mark.parametrize(("breaks", "fires"), [(0.0, False), (3.0, True)])
    def test_ledger_counted_step_by_step(self, examined, breaks, fires):
        assert bool(found(examined({"reward/ledger_breaks": every(breaks)}), "reward-ledger")) is fires


@pytest.mark.parametrize(
    ("lengths", "returns", "invasions", "fires"),
    [
        ([30] * 10 + [10] * 90, [14.0] * 10 + [18.0] * 90, 1.0, True),
        ([30] * 10 + [10] * 90, [14.0] * 10 + [18.0] * 90, 0.2, False),
        ([30] * 10 + [10] * 90, [14.0] * 10 + [4.0] * 90, 1.0, False),
        ([30] * 10 + [90] * 90, [14.0] * 10 + [48.0] * 90, 1.0, False),
    ],
    ids=["sooner and better paid", "without violations", "sooner and worse paid", "later and better paid"],
)
def test_violations_that_are_sought(examined, lengths, returns, invasions, fires):
    columns = episodes(lengths, returns)
    ends = [step for step, _ in columns["train/episode_length"]]
    columns["train/lane_invasions_per_episode"] = [(step, invasions) for step in ends]
    columns["debug/reward_min"] = [(step, -0.2) for step in ends]
    causes = {
        cause for finding in found(examined({**columns, **UPDATES}), "violation-pays") for cause in finding.causes
    }
    assert ("reward_pays_violation" in causes) is fires
