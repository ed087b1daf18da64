# SPDX-License-Identifier: Apache-2.0
"""Rules about gradients, alerts and the policy."""

from __future__ import annotations

from typing import ClassVar

import pytest

from .rule_harness import every, found, severities

UPDATES = {"agent/total_iterations": every(lambda step: float(step))}


class TestByPassGradient:
    def test_fires_at_the_first_of_three_points(self, examined):
        columns = {
            "gradients/actor_cnn_norm": every(2),
            "gradients/actor_mlp_norm": every(lambda s: 0.0 if s >= 500 else 0.1),
        }
        assert found(examined(columns), "bypass-gradient")[0].first_step == 500

    @pytest.mark.parametrize(("mlp", "cnn"), [(1e-6, 2.0), (0.0, 1e-3)])
    def test_near_misses(self, examined, mlp, cnn):
        assert (
            found(
                examined({"gradients/actor_cnn_norm": every(cnn), "gradients/actor_mlp_norm": every(mlp)}),
                "bypass-gradient",
            )
            == []
        )


class TestFrozenPolicy:
    def columns(self, frozen_from):
        moving = every(lambda step: min(step, frozen_from) * 1e-6)
        return {"agent/actor_param_mean": moving, "agent/actor_param_std": moving, **UPDATES}

    def test_bit_equal_parameters(self, examined):
        assert found(examined(self.columns(2000)), "frozen-policy")[0].first_step == 2000

    def test_four_equal_points_are_not_enough(self, examined):
        assert found(examined(self.columns(2700)), "frozen-policy") == []

    def test_without_updates_nothing_has_to_move(self, examined):
        columns = {**self.columns(1000), "agent/total_iterations": every(lambda step: float(min(step, 1000)))}
        assert found(examined(columns), "frozen-policy") == []

    def test_policy_updates_may_be_rarer_than_points(self, examined):
        # One update a point and a delay of 4: the policy may rest for three points.
        columns = {**self.columns(3000), "agent/total_iterations": every(lambda step: step / 100.0)}
        stepwise = every(lambda step: (step // 400) * 1e-6)
        columns |= {"agent/actor_param_mean": stepwise, "agent/actor_param_std": stepwise}
        assert found(examined(columns, policy_delay=4), "frozen-policy") == []


class TestVanishingGradient:
    CRITIC: ClassVar = {"gradients/critic_mlp_norm": every(2)}

    def test_small_from_the_start(self, examined):
        assert severities(
            examined({"gradients/actor_mlp_norm": every(1e-4), **self.CRITIC, **UPDATES}), "vanishing-gradient"
        ) == ["warn"]

    def test_a_fall_by_a_hundred(self, examined):
        falling = every(lambda step: 0.1 if step < 1000 else 1e-4)
        assert (
            found(examined({"gradients/actor_mlp_norm": falling, **self.CRITIC, **UPDATES}), "vanishing-gradient")[
                0
            ].severity.value
            == "warn"
        )

    def test_a_fall_by_ten_is_quiet(self, examined):
        falling = every(lambda step: 0.1 if step < 1000 else 1e-2)
        assert (
            found(examined({"gradients/actor_mlp_norm": falling, **self.CRITIC, **UPDATES}), "vanishing-gradient") == []
        )


class TestSaturatedActions:
    def columns(self, steer, throttle, spread):
        axes = {"steer_mean": steer, "throttle_mean": throttle, "steer_std": spread, "throttle_std": spread}
        return {
            **{f"action/{name}": every(value) for name, value in axes.items()},
            "train/exploration_noise": every(0.1),
            **UPDATES,
        }

    def test_both_at_their_bound(self, examined):
        assert severities(examined(self.columns(-0.95, 0.9, 0.08)), "saturated-actions") == ["critical"]

    @pytest.mark.parametrize(("steer", "throttle", "spread"), [(0.0, 0.95, 0.08), (-0.95, 0.9, 0.4), (0.75, 0.95, 0.1)])
    def test_near_misses(self, examined, steer, throttle, spread):
        assert found(examined(self.columns(steer, throttle, spread)), "saturated-actions") == []


class TestIdenticalEvaluations:
    def columns(self, second, success=0.0):
        return {
            "eval/mean_reward": [(1000, 116.7351), (2000, second)],
            "eval/success_rate": [(1000, success), (2000, success)],
            **UPDATES,
        }

    def test_equal_to_six_digits(self, examined):
        assert severities(examined(self.columns(116.73512)), "identical-evaluations") == ["critical"]

    def test_different_in_the_fifth(self, examined):
        assert found(examined(self.columns(116.736)), "identical-evaluations") == []

    def test_success_is_convergence(self, examined):
        assert found(examined(self.columns(116.7351, success=1.0)), "identical-evaluations") == []

    def test_counted_rewards_may_repeat(self, examined):
        columns = {"eval/mean_reward": [(1000, 500.0), (2000, 500.0)], **UPDATES}
        assert severities(examined(columns), "identical-evaluations") == ["warn"]


class TestPartAndWhole:
    def test_a_part_above_the_whole(self, examined):
        columns = {"gradients/actor_cnn_norm": every(2), "gradients/actor_norm_post_clip": every(1)}
        assert severities(examined(columns), "part-and-whole") == ["warn"]

    def test_a_part_before_clipping_may_exceed_the_whole_after(self, examined):
        columns = {
            "gradients/actor_cnn_norm": every(2),
            "gradients/actor_norm_pre_clip": every(2.1),
            "gradients/actor_norm_post_clip": every(1),
        }
        assert found(examined(columns, actor_max_norm=1.0), "part-and-whole") == []

    def test_a_sum_of_tensor_norms(self, examined):
        finding = found(examined({"gradients/actor_cnn_norm": every(2.02)}, actor_max_norm=1.0), "part-and-whole")[0]
        assert "a sum over 5 tensors or more" in finding.evidence
        assert "clipping failed" not in finding.meaning

    def test_beyond_any_sum_it_says_nothing(self, examined):
        assert found(examined({"gradients/actor_cnn_norm": every(50)}, actor_max_norm=1.0), "part-and-whole") == []


class TestClipAlwaysActive:
    @pytest.mark.parametrize(
        ("pre", "expected"), [(5.0, []), (50.0, ["warn"]), (900.0, ["warn"]), (5000.0, ["critical"])]
    )
    def test_ratio(self, examined, pre, expected):
        columns = {"gradients/actor_norm_pre_clip": every(pre), "gradients/actor_norm_post_clip": every(1)}
        assert severities(examined(columns), "clip-always-active") == expected

    def test_sometimes_inactive(self, examined):
        after = every(lambda step: 0.5 if step % 1000 == 0 else 1.0)
        columns = {"gradients/actor_norm_pre_clip": every(50), "gradients/actor_norm_post_clip": after}
        assert found(examined(columns), "clip-always-active") == []


class TestGradientExplosion:
    def test_unclipped_growth(self, examined):
        columns = {
            "gradients/actor_cnn_norm": every(lambda step: 64.0 * 1.5 ** (step / 100)),
            "train/q1_value": every(80),
            **UPDATES,
        }
        assert severities(examined(columns), "gradient-explosion") == ["critical"]

    def test_growth_with_the_values_is_learning(self, examined):
        columns = {
            "gradients/critic_cnn_norm": every(lambda step: step * 1.0),
            "train/q1_value": every(lambda step: step / 10.0),
            "progress/current_reward": every(5),
            **UPDATES,
        }
        assert found(examined(columns), "gradient-explosion") == []

    def test_a_clip_that_works_is_no_explosion(self, examined):
        grown = every(lambda step: 64.0 * 1.5 ** (step / 100))
        columns = {"gradients/actor_norm_pre_clip": grown, "gradients/actor_norm_post_clip": every(1), **UPDATES}
        assert found(examined(columns, actor_max_norm=1.0), "gradient-explosion") == []

    def test_a_clip_that_is_not_applied(self, examined):
        finding = found(
            examined({"gradients/critic_norm_post_clip": every(500), **UPDATES}, critic_max_norm=10.0),
            "gradient-explosion",
        )[0]
        assert set(finding.causes) == {"gradient_explosion", "config_not_honoured"}


class TestAlerts:
    MISMATCH: ClassVar = {"train/actor_loss": every(-900), "train/q1_value": every(20), **UPDATES}

    def test_silent_through_a_failure(self, examined):
        assert severities(examined({**self.MISMATCH, "alerts/explosion": every(0)}), "blind-alerts") == ["warn"]

    def test_an_alert_that_fired_is_not_blind(self, examined):
        columns = {**self.MISMATCH, "alerts/explosion": every(lambda step: float(step > 2000))}
        assert found(examined(columns), "blind-alerts") == []

    def test_silent_in_a_healthy_run(self, examined, healthy):
        assert found(examined(healthy()), "blind-alerts") == []

    def test_accounting(self, examined):
        columns = {
            "alerts/warning": every(1, range(100, 600, 100)),
            "alerts/critical": every(lambda step: float(step > 500)),
        }
        finding = found(examined(columns), "alert-accounting")[0]
        assert "critical 30, warning 5; never written at 0: warning" in finding.evidence

    def test_equal_counts_are_quiet(self, examined):
        assert found(examined({"alerts/a": every(0), "alerts/b": every(0)}), "alert-accounting") == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [([-3.955] * 6, ["critical"]), ([-4.0] * 6, ["warn"]), ([-9.1, -8.2, -3.955, -3.955, -3.955, -3.955], ["warn"])],
    ids=["never moved", "counted rewards", "moved before"],
)
def test_evaluations_that_never_move(examined, values, expected):
    columns = {"eval/mean_reward": [(1000 * k, value) for k, value in enumerate(values, 1)]}
    columns["agent/total_iterations"] = [(1000 * k, 1000.0 * k) for k in range(1, 7)]
    assert severities(examined(columns), "identical-evaluations") == expected
