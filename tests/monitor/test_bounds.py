# SPDX-License-Identifier: Apache-2.0
"""What the diagnostics refuse of messages whose seal is right."""

from types import SimpleNamespace
from typing import Any

import pytest

from td3_driving.driving.reward import term_names
from td3_driving.monitor.bounds import LONGEST_NAME, MOST_COUNTED, MOST_VALUES, MOST_WRITERS, RunBounds
from td3_driving.settings import RunSettings, Settings

SETTINGS = Settings(run=RunSettings(steps=10))
TERMS = term_names(SETTINGS.reward)
VALUES = [0.1] * len(TERMS)
PLACE = {"actor_id": "actor_0", "step": 10}
COUNTS = ("received", "duplicate", "rejected", "lost", "gone", "sampleable", "capacity", "strangers")
GENUINE: dict[str, dict[str, Any]] = {
    "step": {**PLACE, "names": TERMS, "values": VALUES},
    "episode": {**PLACE, "term_names": TERMS, "term_returns": VALUES},
    "evaluation": {**PLACE, "tags": ["eval/score"], "values": [1.0]},
    "status": {
        **dict.fromkeys((*COUNTS, "updates", "policy_updates"), MOST_COUNTED),
        **{
            "state": 4,
            "inserted": 10,
            "begun_at": 4,
            "tags": ["train/q1_value"] * MOST_VALUES,
            "values": [float("nan")] * MOST_VALUES,
        },
    },
    "refusals": {"node": "/policy", "stranger": "", "strangers": 3, "topics": ["/a"], "writers": ["x" * LONGEST_NAME]},
}


def fault(kind: str, changes: dict[str, Any]) -> str:
    return str(getattr(RunBounds(SETTINGS), f"{kind}_fault")(SimpleNamespace(**{**GENUINE[kind], **changes})))


@pytest.mark.parametrize("kind", GENUINE)
def test_what_a_run_can_say_is_taken(kind: str) -> None:
    assert fault(kind, {}) == ""


@pytest.mark.parametrize("kind", ["step", "episode", "evaluation"])
@pytest.mark.parametrize(
    ("change", "said"),
    [({"step": 11}, "step 11 is outside the 10 steps"), ({"actor_id": "actor_1"}, "'actor_1' is not one of actor_0")],
)
def test_a_place_that_the_run_does_not_have_is_refused(kind: str, change: dict[str, Any], said: str) -> None:
    assert said in fault(kind, change)


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("step", {"names": TERMS[1:]}, "are not the terms"),
        ("step", {"values": VALUES[1:]}, "are not the terms"),
        ("episode", {"term_names": ("", *TERMS[1:])}, "are not the terms"),
        ("evaluation", {"values": []}, "1 tags beside 0 values"),
        ("evaluation", {"tags": ["x" * (LONGEST_NAME + 1)]}, "longer than 200 letters"),
        ("status", {"state": 5}, "state 5 is outside 0 .. 4"),
        ("status", {"inserted": 11}, "inserted 11 is outside the 10 steps"),
        ("status", {"begun_at": 11}, "begun_at 11 is outside the 10 steps"),
        ("status", {"tags": [""] * (MOST_VALUES + 1), "values": [0.0] * (MOST_VALUES + 1)}, "more than 1000"),
        ("refusals", {"strangers": MOST_COUNTED + 1}, "beyond 2^53"),
        ("refusals", {"writers": []}, "1 topics beside 0 writers"),
        ("refusals", {"stranger": "x" * (LONGEST_NAME + 1)}, "longer than 200 letters"),
        ("refusals", {"topics": ["/a"] * (MOST_WRITERS + 1), "writers": ["/b"] * (MOST_WRITERS + 1)}, "more than 64"),
    ],
)
def test_what_no_run_can_say_is_refused(kind: str, change: dict[str, Any], said: str) -> None:
    assert said in fault(kind, change)


@pytest.mark.parametrize("name", [*COUNTS, "updates", "policy_updates"])
def test_a_count_that_no_event_file_holds_is_refused(name: str) -> None:
    assert fault("status", {name: MOST_COUNTED + 1}) == f"{name} {MOST_COUNTED + 1} is beyond 2^53"
