"""A whole run, recorded, with a lost frame and unusable odometry in it; and the bag against the learner's memory."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from run_harness import Run

from td3_driving.bags.cli import main
from td3_driving.driving.observation import state_dim
from td3_driving.learning.trainer import Trainer
from td3_driving.starting.profiles import load_profile

SETTINGS: dict[str, object] = {"run.steps": 240, "diagnostics.stale_after": 1.0}


def test_a_recorded_run_is_rebuilt_to_the_bit(
    tmp_path: Path, domain_id: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with Run(tmp_path, domain_id, SETTINGS, "--record", "--faults", "drop@130 nan_odometry@200") as run:
        assert run.wait() == 0, run.output[-4000:]
    assert run.output.count("episode cut") >= 2
    bag, filled = run.folder / "bag", tmp_path / "filled"
    assert main([str(bag), "--into", str(filled)]) == 0
    said = capsys.readouterr().out
    assert "rebuilt   240 steps from images, odometry and commands" in said
    assert "240 steps are in the bag as messages to the learner; 240 are equal" in said
    assert said.count(": equal") == 1
    assert main([str(bag), "--source", "messages", "--against", str(filled)]) == 0
    settings = load_profile(filled / "config.yaml")
    trainer = Trainer(settings, filled, state_dim(settings.observation))
    assert (trainer.inserted, trainer.updates, trainer.pending) == (240, 0, 5 * ((240 - 100) // 10))
    assert trainer.run_due(max_updates=3) == trainer.pending
    assert trainer.updates == 3
