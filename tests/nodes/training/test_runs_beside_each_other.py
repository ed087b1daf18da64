# SPDX-License-Identifier: Apache-2.0
"""Runs that share a machine, and a folder that belongs to a run already: every process real."""

from pathlib import Path

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from ..run_harness import Run, reopen


def test_two_runs_on_one_machine_do_not_hear_each_other_and_another_seed_is_another_run(tmp_path: Path) -> None:
    homes = [tmp_path / name for name in ("one", "two")]
    for home in homes:
        home.mkdir()
    with Run(homes[0], None) as one, Run(homes[1], None, {"run.seed": 7}) as two:
        for run in (one, two):
            assert run.wait() == 0, run.output[-4000:]
            assert run.series()["run/finished"] == [(300, 1.0)]
            assert reopen(run).inserted == 300
        assert one.series()["train/critic_loss"] != two.series()["train/critic_loss"]


def test_a_folder_in_use_and_unknown_settings_are_refused(tmp_path: Path, domain_id: int) -> None:
    with Run(tmp_path, domain_id, {"run.steps": 150}) as run:
        assert run.wait() == 0
    for words, complaint in (((), "run"), (("--set", "learning.gama=0.9"), "did you mean")):
        with Run(tmp_path, domain_id, None, *words) as again:
            assert again.wait() == 2
            assert complaint in again.output and "Traceback" not in again.output
