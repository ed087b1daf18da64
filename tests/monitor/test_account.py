# SPDX-License-Identifier: Apache-2.0
"""The account of the experience as a status."""

import pytest

from td3_driving.monitor.account import Account, replay_status


def account(**changes: object) -> Account:
    values: dict[str, object] = {
        "state": 2,
        "reason": "",
        "received": 10,
        "inserted": 8,
        "duplicate": 1,
        "rejected": 1,
        "lost": 2,
        "last_rejection": "why",
        "sampleable": 7,
        "capacity": 100,
        "updates": 3,
        "updates_due": 3,
    }
    return Account(**{**values, **changes})  # type: ignore[arg-type]


def test_the_account_says_what_was_sent_and_what_became_of_it() -> None:
    status = replay_status(account(), 0.5, 5.0)
    assert status.level == "WARN"
    assert status.values["sent (messages)"] == "12" and status.values["last rejection"] == "why"


@pytest.mark.parametrize(
    ("changes", "age", "level"),
    [
        ({"rejected": 0, "lost": 0, "received": 9}, 0.5, "OK"),
        ({"rejected": 0, "lost": 0, "received": 9}, 6.0, "STALE"),
        ({"received": 12}, 0.5, "ERROR"),
        ({"state": 4, "reason": "diverged"}, 0.5, "ERROR"),
        ({"rejected": 0, "lost": 0, "received": 9, "strangers": 1, "stranger": "/stranger"}, 0.5, "ERROR"),
    ],
)
def test_levels(changes: dict[str, object], age: float, level: str) -> None:
    assert replay_status(account(**changes), age, 5.0).level == level


def test_no_account_is_not_a_healthy_one() -> None:
    assert replay_status(None, 0.0, 5.0).level == "STALE"
