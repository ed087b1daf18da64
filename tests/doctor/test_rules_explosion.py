# SPDX-License-Identifier: Apache-2.0
"""Rules about values that leave the ground, each with a run that only resembles it."""

from __future__ import annotations

import numpy as np
import pytest

from .rule_harness import every, found, severities

STEPS = range(500, 100_500, 500)
COUNT = len(STEPS)
SHARE = np.linspace(0.0, 1.0, COUNT)


def column(values):
    return list(zip(STEPS, map(float, np.broadcast_to(values, COUNT))))


def navigation(q, loss, spread=50.0):
    return {"Av. Q": column(q), "Max. Q": column(np.asarray(q) + spread), "loss": column(loss)}


class TestExplosion:
    def test_loss_and_q_grow_together_to_the_end(self, examined):
        columns = navigation(-50.0 * 10 ** (2.5 * SHARE), 100.0 * 10 ** (5 * SHARE))
        assert severities(examined(columns), "value-explosion") == ["critical"]
        assert tuple(found(examined(columns), "value-explosion")[0].causes) == ("critic_divergence",)

    def test_growth_that_settles_is_learning(self, examined):
        grown = 1.0 - np.exp(-8 * SHARE)
        assert found(examined(navigation(0.5 + 300.0 * grown, 0.3 + 50.0 * grown)), "value-explosion") == []

    def test_growth_that_the_returns_share_is_learning(self, examined):
        q = 1.0 * 10 ** (2.5 * SHARE)
        columns = {"losses/qf1_values": column(q), "losses/qf_loss": column(0.01 * q**2)}
        columns["charts/episodic_return"] = column(2.0 * q)
        columns["charts/episodic_length"] = column(100.0)
        assert found(examined(columns), "value-explosion") == []

    def test_values_of_sparse_rewards_may_grow_late(self, examined):
        q = 1.0 / (1.0 + np.exp((0.8 - SHARE) / 0.04))
        assert found(examined(navigation(q, 0.1 * q**2 + 1e-5, spread=0.3)), "value-explosion") == []

    def test_exploded_and_recovered(self, examined):
        peak = np.exp(-(((SHARE - 0.5) / 0.03) ** 2))
        columns = navigation(20.0 + 1e5 * peak, 5.0 + 1e9 * peak)
        assert severities(examined(columns), "value-explosion") == ["warn"]
        assert "recovered" in found(examined(columns), "value-explosion")[0].evidence

    def test_a_loss_alone_that_no_bounded_value_explains(self, examined):
        returns = {"rollout/ep_rew_mean": column(10.0 + SHARE), "rollout/ep_len_mean": column(100.0)}
        exploded = {"train/loss": column(10 ** (8 * SHARE)), "rollout/exploration_rate": column(0.05), **returns}
        assert severities(examined(exploded), "value-explosion") == ["critical"]
        # Values up to 11 miss each other by 22 at most: a squared error of 484.
        assert found(examined({**exploded, "train/loss": column(4.0 * 10 ** (2 * SHARE))}), "value-explosion") == []


class TestReturnBound:
    RETURNS = staticmethod(
        lambda top: {
            "rollout/ep_rew_mean": column(20.0 + top / (1.0 + np.exp((0.3 - SHARE) / 0.05))),
            "rollout/ep_len_mean": column(100.0),
        }
    )

    def test_means_of_returns_bound_q(self, examined):
        columns = {"train/actor_loss": column(-(10 ** (6 * SHARE))), "train/critic_loss": column(10 ** (9 * SHARE))}
        assert severities(examined({**columns, **self.RETURNS(300.0)}), "return-bound") == ["critical"]

    @pytest.mark.parametrize(("top", "expected"), [(300.0, "warn"), (0.0, "critical")])
    def test_exploded_and_recovered_is_a_warning_if_it_learned(self, examined, top, expected):
        peak = np.exp(-(((SHARE - 0.5) / 0.03) ** 2))
        columns = {"train/actor_loss": column(-20.0 - 1e6 * peak), "train/critic_loss": column(1.0 + 1e9 * peak)}
        engine = examined({**columns, **self.RETURNS(top)})
        assert severities(engine, "return-bound") == [expected]

    def test_an_entropy_bonus_may_add_to_q(self, examined):
        columns = {"train/ent_coef": column(0.2), "train/actor_loss": column(-450.0 - SHARE)}
        assert found(examined({**columns, **self.RETURNS(230.0)}), "return-bound") == []


class TestDeadCritic:
    def test_an_error_far_above_the_spread_of_q(self, examined):
        noise = np.random.default_rng(0).normal(size=COUNT)
        engine = examined(navigation(-0.1 + 0.004 * noise, 700.0 + 60.0 * noise, spread=0.5))
        assert severities(engine, "dead-critic") == ["critical"]
        assert tuple(found(engine, "dead-critic")[0].causes) == ("critic_dead",)

    def test_a_critic_that_follows_its_targets(self, examined):
        noise = np.random.default_rng(0).normal(size=COUNT)
        assert found(examined(navigation(-0.1 + 30.0 * SHARE, 700.0 + 60.0 * noise, spread=40.0)), "dead-critic") == []

    def test_an_error_of_the_size_of_the_spread(self, examined):
        noise = np.random.default_rng(0).normal(size=COUNT)
        assert found(examined(navigation(-0.1 + 0.004 * noise, 700.0 + 60.0 * noise, spread=30.0)), "dead-critic") == []

    def test_a_value_that_says_nothing_where_the_returns_say_much(self, examined):
        columns = {
            "train/actor_loss": column(0.05),
            "train/critic_loss": column(0.01),
            "rollout/ep_rew_mean": column(-1250.0 + 10.0 * np.sin(40 * SHARE)),
            "rollout/ep_len_mean": column(200.0),
        }
        assert severities(examined(columns), "dead-critic") == ["critical"]
        columns["train/actor_loss"] = column(350.0)
        assert found(examined(columns), "dead-critic") == []


class TestAboveAllReturns:
    @staticmethod
    def run(aq, returns):
        return {
            "train/actor_loss": column(-np.asarray(aq)),
            "train/critic_loss": column(5.0),
            "rollout/ep_rew_mean": column(returns),
            "rollout/ep_len_mean": column(400.0),
        }

    def test_promises_of_what_never_came(self, examined):
        engine = examined(self.run(45.0 + 5.0 * SHARE, -60.0 + 8.0 * np.sin(50 * SHARE)))
        assert severities(engine, "q-above-returns") == ["critical"]
        assert tuple(found(engine, "q-above-returns")[0].causes) == ("overestimation",)

    @pytest.mark.parametrize("aq", [-15.0, 0.5, 12.0])
    def test_values_near_the_returns(self, examined, aq):
        assert found(examined(self.run(aq + SHARE, -60.0 + 8.0 * np.sin(50 * SHARE))), "q-above-returns") == []

    def test_what_an_episode_once_brought_is_no_promise_too_far(self, examined):
        returns = np.where(SHARE > 0.95, 60.0, -60.0)
        assert found(examined(self.run(45.0 + 5.0 * SHARE, returns)), "q-above-returns") == []


class TestScaledRewards:
    """The learner may see other rewards than the log of returns: then Q is on another scale, and the policy learns."""

    RISE = staticmethod(lambda low, high: low + (high - low) / (1.0 + np.exp((0.3 - SHARE) / 0.05)))

    def run(self, q, returns):
        noise = np.random.default_rng(0).normal(size=COUNT)
        return {
            "losses/qf1_values": column(q),
            "losses/actor_loss": column(-np.asarray(q)),
            "losses/qf_loss": column(1.0 + 0.1 * noise),
            "charts/episodic_return": column(np.asarray(returns) + 5.0 * noise),
            "charts/episodic_length": column(200.0),
        }

    @pytest.mark.parametrize(
        ("rule", "scale", "returns", "expected"),
        [
            ("dead-critic", 0.01, "learned", []),
            ("return-bound", 10.0, "learned", ["warn", "warn"]),
            ("return-bound", 10.0, "flat", ["critical", "critical"]),
        ],
    )
    def test_by_a_factor(self, examined, rule, scale, returns, expected):
        raw = self.RISE(-1250.0, -150.0) if returns == "learned" else np.full(COUNT, -1250.0)
        q = scale * self.RISE(-1.0, -250.0 if returns == "learned" else -600.0)
        assert severities(examined(self.run(q, raw)), rule) == expected

    def test_by_an_offset(self, examined):
        """Pendulum with (r + 8) / 8: Q is positive, the logged returns are not."""
        engine = examined(self.run(self.RISE(1.0, 85.0), self.RISE(-1250.0, -150.0)))
        assert severities(engine, "q-above-returns") == ["warn"]

    def test_still_growing_is_no_scale(self, examined):
        q = 20.0 * 10 ** (3 * SHARE)
        assert "critical" in severities(examined(self.run(q, self.RISE(-1250.0, -150.0))), "return-bound")


class TestValuesWithoutReward:
    @staticmethod
    def run(q, returns=0.0):
        return {
            "train/q1_value": column(q),
            "train/critic_loss": column(500.0),
            "train/actor_loss": column(-np.asarray(q)),
            "rollout/ep_rew_mean": column(returns),
            "rollout/ep_len_mean": column(2516.0),
        }

    def test_q_grows_from_nothing(self, examined):
        engine = examined(self.run(500.0 * (1.0 - np.exp(-5.0 * SHARE)) + 20.0))
        assert severities(engine, "values-without-reward") == ["critical"]

    def test_what_the_network_began_with_is_no_growth(self, examined):
        assert found(examined(self.run(0.3 + 0.05 * SHARE)), "values-without-reward") == []

    def test_one_reward_is_a_reward(self, examined):
        q = 500.0 * (1.0 - np.exp(-5.0 * SHARE)) + 20.0
        assert found(examined(self.run(q, np.where(SHARE == 1.0, 900.0, 0.0))), "values-without-reward") == []


def test_growth_of_the_loss_counts_relative_to_q(examined):
    q = 4.0 + 300.0 * (1.0 - np.exp(-5.0 * SHARE))
    columns = {"train/q1_value": column(q), "train/critic_loss": column(5e-4 * q**2)}
    assert found(examined(columns), "critic-stability") == []
    columns["train/critic_loss"] = column(5e-4 * q**2 * 10 ** (3 * SHARE))
    assert severities(examined(columns), "critic-stability") == ["warn"]


def test_a_run_too_short_is_not_judged(examined):
    engine = examined({"loss": every(1.0, range(1, 5)), "Av. Q": every(0.1, range(1, 5))})
    for rule in ("value-explosion", "dead-critic", "q-above-returns", "values-without-reward"):
        assert found(engine, rule) == []
    assert engine.rule("value-explosion").missing() == "too few points"
