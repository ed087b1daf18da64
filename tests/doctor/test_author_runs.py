# SPDX-License-Identifier: Apache-2.0
"""Five published runs of a similar system. They are not part of the project; the tests skip without them."""

from __future__ import annotations

import pytest

from td3_driving.doctor.diagnosis import Verdict
from td3_driving.doctor.examine import examine
from td3_driving.doctor.section_tables import logged_table, regime_table

ASKED = {"train_freq": "50", "gradient_steps": "1", "actor_lr": "1e-3"}


def causes(diagnosis):
    return [cause.cause for cause in diagnosis.causes]


@pytest.mark.parametrize(
    ("name", "asked", "expected"),
    [
        ("18b", {}, ["encoder_mismatch", "policy_frozen", "environment_dead", "alerts_blind", "worse_than_random"]),
        (
            "18b",
            ASKED,
            ["encoder_mismatch", "policy_frozen", "environment_dead", "config_not_honoured", "alerts_blind"],
        ),
        ("16", {}, ["encoder_mismatch", "gradient_explosion", "policy_frozen", "environment_dead"]),
        ("18a", {"steps": "5000"}, ["encoder_mismatch", "run_incomplete"]),
        ("21b", {}, ["encoder_mismatch", "policy_frozen", "policy_saturated", "alerts_blind"]),
        ("O", {}, ["learning_not_started", "environment_dead"]),
    ],
)
def test_verdict_and_causes(author_run, name, asked, expected):
    diagnosis = examine(author_run(name), asked)
    found = causes(diagnosis)
    assert diagnosis.verdict is Verdict.NO_GO
    assert found[0] == expected[0]
    assert [cause for cause in found if cause in expected] == expected


def test_moments_of_a_run(author_run):
    diagnosis = examine(author_run("18b"), ASKED)
    first = {"return-bound": 2600, "frozen-policy": 2000, "dead-environment": 3100, "regime-break": 3001}
    assert {rule: diagnosis.finding(rule).first_step for rule in first} == first
    assert diagnosis.finding("growth-law").numbers["slope"] == pytest.approx(4.9, abs=0.15)
    assert diagnosis.finding("updates-per-step").numbers["measured"] == pytest.approx(1.0)
    assert diagnosis.finding("dead-environment").numbers["samples"] == 9
    assert {item.cause for item in diagnosis.refuted} >= {"reward_scale", "clipping_failed", "discount"}


def test_the_tables_of_a_published_analysis_are_reproduced(author_run):
    history = examine(author_run("18b")).history
    rows = {
        row[0]: row[1:]
        for key in ("gradients", "actor_loss", "q_values", "episodes")
        for row in logged_table(history, key).rows
    }
    assert rows["actor cnn"] == ("40", "2.022", "2.395", "1.956", "1.961")
    assert rows["critic cnn"] == ("40", "23.54", "25.09", "21.65", "23.65")
    assert rows["critic mlp"][1:3] == ("2.212", "3.982")
    assert rows["actor loss"][1:] == ("-463,834", "-2.374", "-2,400,730", "-2,400,730")
    assert rows["q1"] == ("40", "42.42", "90.18", "16.12", "90.18")
    assert rows["episode length"] == ("489", "10.22", "1,000", "2", "3")


def test_the_corrected_reading_of_the_episodes(author_run):
    table = regime_table(examine(author_run("18b")).history, "episodes")
    lengths = next(row for row in table.rows if row[0] == "episode length")
    assert [cell.split(" ")[0] for cell in lengths[1:]] == ["57.56", "17.22", "2.806"]


def test_the_discount_is_inferred_where_the_data_show_it(author_run):
    diagnosis = examine(author_run("21b"))
    inferred = [finding.numbers for finding in diagnosis.findings if finding.rule == "inferred-settings"]
    assert inferred[0]["gamma"] == pytest.approx(0.99, abs=1e-4)
    assert inferred[1]["batch_size"] == 256


def test_the_early_run_is_found_before_any_bound_is_passed(author_run):
    diagnosis = examine(author_run("18a"))
    assert diagnosis.finding("return-bound") is None
    assert diagnosis.finding("q-ratio").numbers["ratio"] == pytest.approx(40, abs=1)


def test_alerts_that_fired_are_not_blind(author_run):
    diagnosis = examine(author_run("16"))
    assert diagnosis.finding("blind-alerts") is None
    assert diagnosis.finding("alert-accounting") is not None


def test_a_dead_stretch_after_each_evaluation(author_run):
    assert examine(author_run("O")).finding("dead-environment").numbers["samples"] == 17
