# SPDX-License-Identifier: Apache-2.0
"""A run and its bag, of five kinds: both get the same verdict, for the same causes.

The messages are those of the project, in real bags; the event file holds what the diagnostics node writes of them.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from td3_driving.doctor.diagnosis import Verdict
from td3_driving.doctor.examine import examine
from td3_driving.doctor.scalars import Scalar

from .conftest import samples_of
from .rule_harness import every
from .test_bag import NAMES, filled, store, write_bag  # noqa: F401

END = 6000
CONFIG = "run: {steps: 6000, log_period: 100}\npacing: {train_freq: 4, gradient_steps: 1, learning_starts: 1000}\n"
STRANGER = "/stranger (GUID 01.0f.22)"
KINDS: dict[str, tuple[dict[str, Any], int, bool, Verdict]] = {
    "healthy": ({}, END, False, Verdict.GO),
    "exploded": ({"train/q1_value": every(lambda step: 10.0 ** (step / 300))}, END, False, Verdict.NO_GO),
    "unfinished": ({}, 3000, False, Verdict.INSUFFICIENT),
    "damaged memory": ({"replay/left_out": every(39.0)}, END, False, Verdict.INSUFFICIENT),
    "stranger": ({}, END, True, Verdict.NO_GO),
}
"""Kind -> changed columns, last step, whether a stranger was there, verdict."""


def points(columns: dict[str, Any], last: int) -> list[tuple[int, list[Scalar]]]:
    """The samples up to step ``last``, by their step."""
    samples = sorted((s for s in samples_of(columns) if s.step <= last), key=lambda sample: sample.step)
    return [(step, list(group)) for step, group in groupby(samples, key=lambda sample: sample.step)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_bag_gets_the_verdict_of_its_run(tmp_path, store, healthy, write_events, kind):  # noqa: F811
    columns, last, stranger, verdict = KINDS[kind]
    known = points(healthy() | columns, last)
    graph = [("graph/second_writers", 1.0), ("graph/strangers", 348.0)]
    extra = [Scalar(tag, 2000, value, 0.0) for tag, value in graph] if stranger else []
    ended = [Scalar("run/finished", END, 1.0, 0.0)] if last == END else []
    samples = [sample for _, group in known for sample in group] + extra + ended
    who = {"graph/who": f"{STRANGER} published on /carla/control"} if stranger else {}
    write_events(tmp_path / "run/events.out.tfevents.1", samples, {"config": CONFIG, **who})
    (tmp_path / "run/config.yaml").write_text(CONFIG)

    messages = [
        filled(
            store,
            "LearnerStatus",
            inserted=step,
            log_point=True,
            tags=[sample.tag for sample in group],
            values=np.array([sample.value for sample in group]),
        )
        for step, group in known
    ]
    if stranger:
        found = {"topics": ["/carla/control"], "writers": [STRANGER], "strangers": 348, "stranger": STRANGER}
        messages.insert(10, filled(store, "Refusals", node="/policy", **found))
        messages.insert(10, filled(store, "Refusals", node="/diagnostics", **found))
    if ended:
        messages.append(filled(store, "LearnerStatus", inserted=END, state=3, tags=[], values=np.zeros(0)))
    write_bag(tmp_path / "bag", store, messages, config=CONFIG)

    run, bag = examine(tmp_path / "run"), examine(tmp_path / "bag")
    assert run.verdict is bag.verdict is verdict
    assert [cause.cause for cause in run.causes] == [cause.cause for cause in bag.causes]
    if stranger:
        for diagnosis in (run, bag):
            (finding,) = [finding for finding in diagnosis.findings if finding.rule == "foreign-writer"]
            assert STRANGER in finding.evidence and "348 refused" in finding.evidence


def test_the_names_hold_every_message_that_the_reader_knows():
    assert set(NAMES) == {"RewardTerms", "EpisodeSummary", "EvaluationSummary", "LearnerStatus", "Refusals"}


def test_what_a_policy_alone_refused_is_no_account_of_the_run(tmp_path: Path, store) -> None:  # noqa: F811
    messages = [
        filled(store, "LearnerStatus", inserted=1, log_point=True, tags=["train/q1_value"], values=np.ones(1)),
        filled(store, "Refusals", node="/policy", topics=["/x"], writers=["y"], strangers=5),
    ]
    write_bag(tmp_path / "bag", store, messages)
    rules = {finding.rule for finding in examine(tmp_path / "bag").findings}
    assert "foreign-writer" not in rules
