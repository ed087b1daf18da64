# SPDX-License-Identifier: Apache-2.0
"""Runs that resemble known misjudgements get the verdict that they deserve."""

from __future__ import annotations

from pathlib import Path

import pytest
from doctor_corpus.near_misses import MISSES, write_near_misses

from td3_driving.doctor.examine import examine


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("near_misses")
    write_near_misses(folder)
    return folder


@pytest.mark.parametrize("name", MISSES)
def test_a_near_miss_gets_its_verdict(runs: Path, name: str) -> None:
    truth = MISSES[name][1].split("|")
    diagnosis = examine(runs / f"near-{name}")
    assert diagnosis.verdict.value in truth, [finding.evidence for finding in diagnosis.findings]
