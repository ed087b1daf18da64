# SPDX-License-Identifier: Apache-2.0
"""Rules about the configuration and the course of a run, and what is known of it."""

from __future__ import annotations

import math
from typing import ClassVar

import pytest

from .rule_harness import every, found, severities

UPDATES = {"agent/total_iterations": every(lambda step: max(0.0, step - 1000.0))}


class TestUpdatesPerStep:
    @pytest.mark.parametrize(("per_step", "fires"), [(0.02, False), (0.0205, False), (0.03, True), (1.0, True)])
    def test_slope(self, examined, per_step, fires):
        columns = {"agent/total_iterations": every(lambda step: per_step * max(0.0, step - 1000))}
        assert bool(found(examined(columns, train_freq=50, gradient_steps=1), "updates-per-step")) is fires

    def test_one_burst_at_the_edge_is_no_deviation(self, examined):
        columns = {"agent/total_iterations": every(lambda step: 50.0 * (step // 500))}
        assert found(examined(columns, train_freq=500, gradient_steps=50), "updates-per-step") == []

    def test_not_asked(self, examined):
        engine = examined(UPDATES)
        assert found(engine, "updates-per-step") == []
        assert (
            engine.rule("updates-per-step").missing()
            == "not asked (train_freq, gradient_steps); 1.000 updates per step measured"
        )

    def test_as_many_updates_as_steps(self, examined):
        assert found(examined(UPDATES, train_freq=8, gradient_steps=-1), "updates-per-step") == []


class TestLearningRates:
    @pytest.mark.parametrize(("asked", "expected"), [(3e-4, []), (3.02e-4, []), (1e-3, ["warn"]), (1e-6, ["critical"])])
    def test_one_per_cent_and_one_order(self, examined, asked, expected):
        assert severities(examined({"agent/actor_lr": every(3e-4)}, actor_lr=asked), "learning-rate") == expected

    def test_one_rate_for_both_networks(self, examined):
        assert len(found(examined({"train/learning_rate": every(3e-4)}, learning_rate=1e-3), "learning-rate")) == 2


class TestInferredSettings:
    COLUMNS: ClassVar = {
        "debug/done_ratio": every(lambda step: (step / 100 % 7) / 256),
        "debug/effective_discount": every(lambda step: 0.98 * (1 - (step / 100 % 7) / 256)),
    }

    def test_infers(self, examined):
        gamma, batch = found(examined(self.COLUMNS), "inferred-settings")
        assert gamma.numbers["gamma"] == pytest.approx(0.98)
        assert batch.numbers["batch_size"] == 256

    def test_contradicts_what_was_asked(self, examined):
        assert severities(examined(self.COLUMNS, gamma=0.99, batch_size=100), "inferred-settings") == ["warn", "warn"]

    def test_a_mean_over_several_batches(self, examined):
        assert severities(examined(self.COLUMNS, gamma=0.98, batch_size=64), "inferred-settings") == ["info", "info"]

    def test_a_multiple_may_be_the_true_one(self, examined):
        assert severities(examined(self.COLUMNS, gamma=0.98, batch_size=512), "inferred-settings") == ["info", "info"]


class TestCourse:
    def test_phase_flag(self, examined):
        columns = {
            "agent/is_training": every(lambda step: float(step > 2000)),
            "agent/total_iterations": every(lambda s: max(0.0, s - 1000.0)),
        }
        assert found(examined(columns), "phase-flag")[0].first_step == 1100
        columns["agent/is_training"] = every(lambda step: float(step > 1000))
        assert found(examined(columns), "phase-flag") == []

    def test_step_time(self, examined):
        finding = found(examined({"progress/buffer_size": every(float), **UPDATES}), "step-time")[0]
        assert finding.numbers == {"before": pytest.approx(0.1), "after": pytest.approx(0.1)}

    def test_never_started(self, examined):
        assert severities(examined({"progress/buffer_size": every(float)}), "learning-alive") == ["critical"]

    def test_a_short_run_may_not_have_started_yet(self, examined):
        assert found(examined({"progress/buffer_size": every(float, range(100, 1900, 100))}), "learning-alive") == []

    def test_learning_start_beyond_the_run(self, examined):
        assert severities(
            examined({"progress/buffer_size": every(float)}, learning_starts=5000, steps=3000), "learning-alive"
        ) == ["critical"]

    def test_a_loss_of_another_name_is_not_no_loss(self, examined):
        engine = examined({"progress/buffer_size": every(float), "my/value_loss": every(1)})
        assert found(engine, "learning-alive") == []
        assert "my/value_loss" in engine.rule("learning-alive").missing()

    def test_completeness(self, examined, healthy):
        assert found(examined(healthy(), steps=6000), "completeness") == []
        cut = {
            tag: [(s, v) for s, v in points if s <= 3000] for tag, points in healthy().items() if tag != "run/finished"
        }
        assert severities(examined(cut, steps=6000), "completeness") == ["insufficient"]

    def test_an_unknown_plan_is_said(self, examined):
        engine = examined({"losses/actor_loss": every(-1)})
        assert "plan unknown" in engine.rule("completeness").missing()

    @pytest.mark.parametrize(
        "gone", ["train/actor_loss", "train/q1_value", "train/critic_loss", "train/episode_length"]
    )
    def test_what_go_needs(self, examined, healthy, gone):
        # Without returns nobody knows whether it learned: then every reading of the values is needed.
        columns = healthy()
        del columns["train/episode_reward"]
        related = {
            "train/actor_loss": ["debug/q1_for_actor_mean"],
            "train/q1_value": ["train/q2_value"],
        }
        for tag in [gone, *related.get(gone, [])]:
            del columns[tag]
        assert severities(examined(columns), "missing-series") == ["insufficient"]

    @pytest.mark.parametrize("gone", ["train/actor_loss", "train/q1_value", "train/critic_loss"])
    def test_a_clear_rise_needs_no_more(self, examined, healthy, gone):
        columns = healthy()
        del columns[gone]
        assert severities(examined(columns), "missing-series") == []

    def test_flat_series(self, examined):
        assert severities(examined({"train/critic_loss": every(1)}), "flat-series") == ["warn"]
        assert found(examined({"train/critic_loss": every(lambda step: step * 1e-9)}), "flat-series") == []

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_non_finite(self, examined, bad):
        columns = {"train/critic_loss": [(100, 1.0), (200, bad)]}
        assert found(examined(columns), "nonfinite")[0].first_step == 200
        assert severities(examined(columns), "nonfinite") == ["critical"]

    @pytest.mark.parametrize(
        ("tag", "points"),
        [
            ("whatever/tag", [(100, 1.0), (200, math.nan)]),
            ("rollout/ep_rew_mean", [(0, math.nan), (100, 1.0), (200, 2.0)]),
            ("train/critic_loss", [(0, math.nan), (100, 1.0), (200, 2.0), (300, 2.0)]),
        ],
        ids=["a tag that no rule reads", "a mean over nothing", "at the first point alone"],
    )
    def test_what_is_not_lost(self, examined, tag, points):
        engine = examined({tag: points})
        assert severities(engine, "nonfinite") == ["info"]
        assert tuple(found(engine, "nonfinite")[0].causes) == ()

    def test_a_nan_that_passed_is_a_warning(self, examined):
        values = [(step, math.nan if 1000 <= step < 1300 else 1.0) for step in range(100, 3000, 100)]
        assert severities(examined({"train/critic_loss": values}), "nonfinite") == ["warn"]

    def test_returns_that_stay_nan(self, examined):
        values = [(step, math.nan if step >= 2000 else 1.0) for step in range(100, 3000, 100)]
        assert severities(examined({"train/episode_reward": values}), "nonfinite") == ["critical"]

    def test_large_is_finite(self, examined):
        assert found(examined({"train/critic_loss": every(3e38)}), "nonfinite") == []
