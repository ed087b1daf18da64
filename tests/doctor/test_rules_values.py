# SPDX-License-Identifier: Apache-2.0
"""Rules about Q values: each fires on what it is for, and keeps quiet on a near miss."""

from __future__ import annotations

import math
from typing import ClassVar

import pytest

from .rule_harness import every, found, severities


def one_update_a_step(**columns):
    return {"agent/total_iterations": every(lambda step: float(step)), **columns}


def losses(aq, q, **more):
    return one_update_a_step(
        **{"train/actor_loss": every(lambda s: -aq(s) if callable(aq) else -aq), "train/q1_value": every(q)}, **more
    )


class TestLossIdentity:
    def test_holds(self, examined):
        engine = examined({"train/actor_loss": every(-5), "debug/actor_q_mean": every(5.0004)})
        assert severities(engine, "loss-identity") == ["info"]

    def test_broken(self, examined):
        engine = examined({"train/actor_loss": every(-5), "debug/actor_q_mean": every(5.01)})
        assert severities(engine, "loss-identity") == ["critical"]

    def test_another_batch_explains_a_difference_of_some_per_cent(self, examined):
        columns = {"train/actor_loss": every(-5)}
        assert severities(examined({**columns, "train/actor_q": every(5.3)}), "loss-identity") == ["info"]
        assert severities(examined({**columns, "train/actor_q": every(12.0)}), "loss-identity") == ["critical"]

    @pytest.mark.parametrize("reason", ["entropy", "asked"])
    def test_is_not_judged_where_the_loss_has_other_terms(self, examined, reason):
        columns = {"train/actor_loss": every(-5), "debug/actor_q_mean": every(9)}
        more = {"train/ent_coef": every(0.2)} if reason == "entropy" else {}
        engine = examined({**columns, **more}, **({"algorithm": "sac"} if reason == "asked" else {}))
        assert found(engine, "loss-identity") == []
        assert engine.rule("loss-identity").missing()


class TestActorAgainstReplay:
    def test_ratio_above_ten_is_critical_from_the_first_settled_point(self, examined):
        engine = examined(losses(aq=150.0, q=12.0))
        assert severities(engine, "q-ratio") == ["critical"]
        assert found(engine, "q-ratio")[0].first_step == 400
        assert found(engine, "q-ratio")[0].numbers["ratio"] == pytest.approx(12.5)

    def test_ratio_above_three_is_a_warning(self, examined):
        assert severities(examined(losses(aq=40.0, q=12.0)), "q-ratio") == ["warn"]

    @pytest.mark.parametrize(("aq", "q"), [(13.0, 12.0), (-280.0, -300.0), (35.0, 12.0), (2.9, 0.1)])
    def test_correct_wiring_is_quiet(self, examined, aq, q):
        assert found(examined(losses(aq, q)), "q-ratio") == []

    def test_a_wide_spread_of_q_explains_a_large_aq(self, examined):
        engine = examined(losses(aq=150.0, q=12.0, **{"debug/q1_std": every(60)}))
        assert found(engine, "q-ratio") == []

    def test_a_q_that_crosses_zero_keeps_its_scale(self, examined):
        columns = losses(aq=lambda step: (step - 1500) / 15 + 20, q=lambda step: (step - 1500) / 15)
        assert found(examined(columns), "q-ratio") == []

    def test_one_point_is_not_enough(self, examined):
        assert found(examined(losses(aq=lambda step: 150.0 if step == 1000 else 12.0, q=12.0)), "q-ratio") == []

    def test_opposite_signs(self, examined):
        assert severities(examined(losses(aq=-30.0, q=30.0)), "q-ratio") == ["critical"]

    def test_opposite_signs_within_an_advantage_are_quiet(self, examined):
        # A reward of 10 per step: the two readings may lie on either side of zero.
        returns = {"train/episode_reward": every(200), "train/episode_length": every(20)}
        assert found(examined(losses(aq=-5.0, q=5.0, **returns)), "q-ratio") == []

    def test_fires_early_when_few_updates_are_done_between_points(self, examined):
        steps = range(100, 5000, 100)
        columns = {"train/actor_loss": every(-900, steps), "train/q1_value": every(20, steps)}
        columns["agent/total_iterations"] = every(lambda step: step / 50, steps)
        assert severities(examined(columns), "q-ratio") == ["critical"]

    def test_says_which_reading_is_missing(self, examined):
        engine = examined({"train/actor_loss": every(-5)})
        assert engine.rule("q-ratio").missing() == "no series for Q on replay actions"

    def test_losses_of_soft_actor_critic_are_no_aq(self, examined):
        engine = examined(losses(aq=150.0, q=12.0, **{"train/ent_coef": every(0.1)}))
        assert found(engine, "q-ratio") == []


class TestReturnBound:
    # Rewards up to 1 and a discount of 0.99 allow 100; the rule grants half as much again.
    REWARDS: ClassVar = {"progress/current_reward": every(1)}

    @pytest.mark.parametrize(("q", "fires"), [(149.0, False), (151.0, True), (-151.0, True)])
    def test_one_and_a_half_times_the_bound(self, examined, q, fires):
        columns = losses(aq=1.0, q=lambda step: q * (0.999 + step * 3e-7), **self.REWARDS)
        engine = examined(columns, gamma=0.99)
        assert bool(found(engine, "return-bound")) is fires

    def test_first_step_is_where_the_final_bound_is_passed(self, examined):
        columns = losses(aq=lambda step: step / 10.5, q=1.0, **self.REWARDS)
        assert found(examined(columns, gamma=0.99), "return-bound")[0].first_step == 1600

    def test_a_reward_seen_late_raises_the_bound(self, examined):
        rewards = {"progress/current_reward": every(lambda step: 3.0 if step == 3000 else 1.0)}
        assert found(examined(losses(aq=lambda step: step / 10.0, q=1.0, **rewards), gamma=0.99), "return-bound") == []

    def test_a_sparse_reward_is_bounded_by_the_return(self, examined):
        sparse = {"charts/episodic_return": every(90), "charts/episodic_length": every(999)}
        assert found(examined(losses(aq=95.0, q=80.0, **sparse)), "return-bound") == []

    def test_needs_rewards(self, examined):
        engine = examined(losses(aq=1e9, q=1.0))
        assert found(engine, "return-bound") == []
        assert engine.rule("return-bound").missing() == "no series for rewards or returns"


class TestGrowthLaw:
    def test_a_power_law(self, examined):
        law = found(examined(losses(aq=lambda step: 1e-9 * step**4.5, q=10.0)), "growth-law")
        assert law[0].numbers["slope"] == pytest.approx(4.5, abs=1e-6)
        assert tuple(law[0].causes) == ("encoder_mismatch",)

    def test_an_exponential_that_the_critic_shares(self, examined):
        law = found(
            examined(losses(aq=lambda step: math.exp(step / 200), q=lambda step: math.exp(step / 200))), "growth-law"
        )
        assert tuple(law[0].causes) == ("critic_divergence",)

    @pytest.mark.parametrize("power", [1.0, 2.5])
    def test_slow_growth_is_learning(self, examined, power):
        assert found(examined(losses(aq=lambda step: 1e-3 * step**power, q=10.0)), "growth-law") == []


class TestCriticStability:
    def test_a_jump(self, examined):
        columns = losses(aq=1.0, q=lambda step: (1000.0 if step == 2000 else 5.0) + 0.1 * (step // 100 % 2))
        assert severities(examined(columns), "critic-stability") == ["warn"]

    def test_critical_together_with_the_bound(self, examined):
        def q(step):
            return 5e3 * step / 3000 if step > 2000 else 5.0 + 0.1 * (step // 100 % 2)

        columns = losses(
            aq=1.0,
            q=q,
            **{"progress/current_reward": every(1), "train/critic_loss": every(lambda s: 1.0 if s < 2000 else 1e5)},
        )
        assert severities(examined(columns), "critic-stability") == ["critical"]

    def test_steady_growth_is_quiet(self, examined):
        assert found(examined(losses(aq=1.0, q=lambda step: step / 100.0)), "critic-stability") == []


class TestAgainstReturns:
    EPISODES: ClassVar = {"train/episode_reward": every(100), "train/episode_length": every(100)}

    def test_promises_kept(self, examined):
        # One reward a step over 100 steps: the mean discounted return-to-go is about 37.
        engine = examined(losses(aq=40.0, q=40.0, **self.EPISODES), gamma=0.99)
        assert found(engine, "q-against-returns") == []

    def test_promises_broken(self, examined):
        finding = found(examined(losses(aq=120.0, q=120.0, **self.EPISODES), gamma=0.99), "q-against-returns")[0]
        by_hand = sum((1 - 0.99**left) / 0.01 for left in range(1, 101)) / 100
        assert finding.numbers["expected"] == pytest.approx(by_hand)

    def test_far_below_is_normal(self, examined):
        assert found(examined(losses(aq=-50.0, q=-50.0, **self.EPISODES), gamma=0.99), "q-against-returns") == []


class TestTargetNetworks:
    def test_as_asked(self, examined):
        assert found(examined({"agent/critic_cnn_target_step": every(0.00501)}, tau=0.005), "target-networks") == []

    def test_a_target_encoder_that_stands_still(self, examined):
        finding = found(examined({"agent/critic_cnn_target_step": every(0.0)}, tau=0.005), "target-networks")[0]
        assert tuple(finding.causes) == ("encoder_mismatch",)

    def test_another_rate_than_asked(self, examined):
        finding = found(examined({"agent/critic_target_step": every(1.0)}, tau=0.005), "target-networks")[0]
        assert tuple(finding.causes) == ("config_not_honoured",)

    def test_no_slow_target_at_all(self, examined):
        finding = found(examined({"agent/critic_target_step": every(1.0)}, tau=1.0), "target-networks")[0]
        assert tuple(finding.causes) == ("critic_divergence",)


def test_agreeing_twins_are_reported_as_no_sign_of_health(examined):
    finding = found(examined(losses(aq=1.0, q=5.0, **{"train/q2_value": every(5.1)})), "twins-agree")[0]
    assert finding.severity.value == "info"
    assert "Never a sign of health" in finding.meaning
