# SPDX-License-Identifier: Apache-2.0
"""A thousand kills over all processes of training runs: nothing is lost or poisoned, and no bit differs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from .kill_campaign import Campaign, read_lines, summary

pytestmark = pytest.mark.long
KILLS = int(os.environ.get("TD3_DRIVING_KILLS", "1000"))


def test_runs_survive_a_thousand_kills(tmp_path: Path, domain_id: int) -> None:
    out = tmp_path / "kills.jsonl"
    campaign = Campaign(tmp_path, domain_id, 0, out)
    while campaign.kills < KILLS:
        campaign.cycle()
    found = summary(read_lines(out))
    print(found)
    assert found["faults"] == []
    assert found["weights equal to those of a learner never killed"] > 0
