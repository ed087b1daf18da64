# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from td3_driving.doctor.causes import CAUSES, rank_causes
from td3_driving.doctor.diagnosis import Source, Verdict, conclude
from td3_driving.doctor.engine import Engine
from td3_driving.doctor.findings import Severity

ENGINE = Engine()


def finding(rule, causes, severity=Severity.CRITICAL, **numbers):
    return ENGINE.rule(rule).find(severity, 100.0, "", causes, **numbers)


def names(findings):
    return [cause.cause for cause in rank_causes(findings)]


def test_wiring_before_policy_before_configuration_before_reward():
    found = [
        finding("violation-pays", ("reward_pays_violation",)),
        finding("updates-per-step", ("config_not_honoured",)),
        finding("frozen-policy", ("policy_frozen",)),
        finding("q-ratio", ("encoder_mismatch",)),
    ]
    assert names(found) == ["encoder_mismatch", "policy_frozen", "config_not_honoured", "reward_pays_violation"]


def test_a_critic_that_diverged_says_nothing_of_the_wiring():
    found = [
        finding("q-ratio", ("encoder_mismatch",)),
        finding("return-bound", ("critic_divergence", "q_bound_exceeded"), q=1e9),
    ]
    assert names(found) == ["critic_divergence", "q_bound_exceeded"]


def test_silent_alerts_follow_the_failure_that_they_missed():
    found = [
        finding("blind-alerts", ("alerts_blind",), Severity.WARN),
        finding("gradient-explosion", ("gradient_explosion",)),
        finding("frozen-policy", ("policy_frozen",)),
    ]
    assert names(found) == ["gradient_explosion", "alerts_blind", "policy_frozen"]


@pytest.mark.parametrize(
    ("rules", "confidence"),
    [
        (("q-ratio",), "strong"),
        (("q-ratio", "bypass-gradient"), "proven"),
        (("bypass-gradient",), "strong"),
        (("target-networks",), "proven"),
    ],
)
def test_confidence_of_the_wiring(rules, confidence):
    found = [finding(rule, ("encoder_mismatch",)) for rule in rules]
    assert rank_causes(found)[0].confidence == confidence


def test_a_warning_alone_is_a_possibility():
    assert rank_causes([finding("q-ratio", ("encoder_mismatch",), Severity.WARN)])[0].confidence == "possible"


def test_information_makes_no_cause():
    assert names([finding("growth-law", ("encoder_mismatch",), Severity.INFO)]) == []


def test_every_cause_has_a_remedy():
    assert all(description.meaning and description.remedy for description in CAUSES.values())


def verdict(engine):
    return conclude(engine, Source("run", "run")).verdict


@pytest.mark.parametrize("seed", range(5))
def test_a_healthy_run_is_go(examined, healthy, seed):
    assert verdict(examined(healthy(seed), train_freq=4, gradient_steps=1, steps=6000)) is Verdict.GO


def test_missing_series_are_never_healthy(examined, healthy):
    columns = healthy()
    del columns["train/critic_loss"], columns["train/episode_reward"]
    assert verdict(examined(columns)) is Verdict.INSUFFICIENT


def test_one_critical_finding_is_enough(examined, healthy):
    assert verdict(examined(healthy(), train_freq=50, gradient_steps=1)) is Verdict.NO_GO


def test_critical_outweighs_insufficient(examined):
    assert verdict(examined({"train/critic_loss": [(1, float("nan"))]})) is Verdict.NO_GO
