# SPDX-License-Identifier: Apache-2.0
"""The rows of the ablation: each changes what it says under profile quick, and no two are the same."""

from __future__ import annotations

import pytest
from ablate import ROWS, changed_rows, jobs
from trainings import parser

from td3_driving.runs.profiles import load_profile, override, profile_path

STAYS = ["learning.lr_decay=0", "learning.teacher_weight_end=1.0"]
"""What makes two of the rows empty, whatever the profile says."""


def test_every_row_changes_its_settings_and_rows_without_effect_are_left_out() -> None:
    base = override(load_profile(profile_path("quick")), STAYS)
    before = base.flat()
    seen = list(changed_rows(base))
    for row, settings in seen:
        named = {text.partition("=")[0] for text in row.changes}
        different = {key for key, value in settings.flat().items() if value != before[key]}
        assert different <= named and bool(different) == bool(row.changes), row.name
    digests = [settings.digest() for _, settings in seen]
    assert len(set(digests)) == len(seen)
    left_out = {row.name for row in ROWS} - {row.name for row, _ in seen}
    assert left_out == {"constant learning rates", "the teacher stays"}


def test_only_the_rows_that_are_asked_for_are_trained_seed_by_seed() -> None:
    options = parser("").parse_args(["--rows", "none.jsonl", "--seeds", "2", "--steps", "70", "--routes", "1"])
    options.only = ["as it is", "SAC"]
    planned = [(job.name, job.contender, job.settings.run.seed, job.settings.run.steps) for job in jobs(options)]
    assert planned == [
        ("as it is", "td3", 0, 70),
        ("SAC", "sac", 0, 70),
        ("as it is", "td3", 1, 70),
        ("SAC", "sac", 1, 70),
    ]
    options.only, options.set = ["the teacher stays"], STAYS
    with pytest.raises(ValueError, match="no row 'the teacher stays' changes profile quick"):
        jobs(options)
