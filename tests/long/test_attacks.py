# SPDX-License-Identifier: Apache-2.0
"""An hour of attacks in an order that is drawn: nothing is believed, nothing hangs, all of it is said.

Without one of the protections, the same campaign finds what an attack did.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from tools.reference.protections import ROOT, SOURCES, protections

from .attack_damage import DAMAGES
from .attacker import NAMES
from .attacks import Attacks, Drawn, draw, summary
from .kill_campaign import read_lines

pytestmark = pytest.mark.long
MINUTES = float(os.environ.get("TD3_DRIVING_ATTACK_MINUTES", "60"))
PATIENCE = 60.0
"""Longest wait for what does not come without a protection [s]."""
WITHOUT = (
    ("the seal is compared", "the steps that come next", "", "is stored"),
    ("a publisher that does not own its topic is named", "black images", "", "nobody is named"),
    ("no run with strangers is GO", "guard PAUSE", "", "the causes are"),
    ("a slot with a wrong checksum is left out", "", "flips in records.bin", "damaged memory"),
)
"""A protection, an attack, a damage, and what the campaign says when the protection is taken away."""


def test_runs_survive_an_hour_of_attacks(tmp_path: Path, domain_id: int) -> None:
    out, end = tmp_path / "attacks.jsonl", time.monotonic() + 60.0 * MINUTES
    campaign = Attacks(tmp_path, domain_id, 0, out)
    while time.monotonic() < end:
        campaign.cycle()
    found = summary(read_lines(out))
    print(found)
    assert found["faults"] == []
    assert found["stored and heard"] > 0


@pytest.mark.parametrize(("protects", "attack", "damage", "fault"), WITHOUT)
def test_without_a_protection_the_campaign_finds_the_attack(
    tmp_path: Path, domain_id: int, monkeypatch: pytest.MonkeyPatch, protects: str, attack: str, damage: str, fault: str
) -> None:
    (taken,) = (one for one in protections() if one.protects == protects)
    changed = tmp_path / "sources" / SOURCES.name
    shutil.copytree(SOURCES, changed)
    shutil.copytree(ROOT / "config", tmp_path / "sources" / "config")
    (changed / taken.file).write_text(taken.taken_away(), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(changed.parent), os.environ.get("PYTHONPATH", ""))))
    campaign = Attacks(tmp_path, domain_id, 0, tmp_path / "attacks.jsonl", PATIENCE)
    found = campaign.run(Drawn([attack] if attack else [], damage, random.Random(0)))
    assert any(fault in said for said in found), found


def test_every_attack_is_drawn_soon() -> None:
    drawn = [draw(0, number) for number in range(40)]
    assert {name for one in drawn for name in one.messages} == set(NAMES)
    assert {one.damage for one in drawn} == {"", *DAMAGES}
    assert all(len(one.messages) == len(set(one.messages)) for one in drawn)
