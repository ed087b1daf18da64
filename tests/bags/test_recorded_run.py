# SPDX-License-Identifier: Apache-2.0
"""A whole run, recorded, with lost frames, unusable odometry and a simulator that is killed again and again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from td3_driving_msgs.msg import Experience

from td3_driving.bags.cli import main
from td3_driving.bags.reading import Bag
from td3_driving.doctor.examine import examine
from td3_driving.driving.state_vector import state_dim
from td3_driving.driving.topics import REPLAY
from td3_driving.learning.trainer import Trainer
from td3_driving.nodes.ros import qos
from td3_driving.runs.profiles import load_profile

from ..nodes.kill_harness import Step, StepEar, impossible, kill_simulators
from ..nodes.run_harness import Run
from .whole_steps import WholeSteps

SETTINGS: dict[str, object] = {
    **{"run.steps": 300, "diagnostics.stale_after": 1.0},
    **{"network.critic": "privileged", "learning.teacher": "idm", "observation.colour": "colour"},
}
FAULTS = "drop@30 nan_odometry@75"
"""They come anew with every simulator."""
KILLS = 2
NOT_TOLD = "this rclpy passes no publisher_gid on (before Kilted), so no bag tells which simulator sent what"


def test_a_recorded_run_is_rebuilt_to_the_bit_whatever_befell_its_simulator(
    tmp_path: Path, domain_id: int, capsys: pytest.CaptureFixture[str]
) -> None:
    beside: list[Mapping[str, Any]] = []
    with StepEar(domain_id) as ear, Run(tmp_path, domain_id, SETTINGS, "--record", "--faults", FAULTS) as run:
        ear.node.create_subscription(Experience, f"/{REPLAY}", lambda _, info: beside.append(info), qos.REPLAY)
        run.meet(ear)
        kill_simulators(run, ear, KILLS, steps_between=85)
        assert run.wait(ear) == 0, run.output[-4000:]
    assert run.output.count("SIGKILL") == KILLS
    assert [step.sequence for step in ear.steps] == list(range(300))
    assert impossible(ear.steps, frame_ns=50_000_000) == []
    account = ear.accounts[-1]
    assert (account.received, account.inserted, account.lost, account.rejected) == (300, 300, 0, 0)

    bag, filled = run.folder / "bag", tmp_path / "filled"
    logged, recorded = examine(run.folder), examine(bag)
    # On a machine without time the recorder may miss the last message, which marks the end of the run.
    assert recorded.verdict is logged.verdict
    assert {cause.cause for cause in recorded.causes} - {"run_incomplete"} == {cause.cause for cause in logged.causes}
    if "publisher_gid" not in beside[-1]:
        pytest.skip(NOT_TOLD)
    assert main([str(bag), "--into", str(filled)]) == 0, capsys.readouterr().out
    said = capsys.readouterr().out
    rebuilt = int(re.search(r"rebuilt +(\d+) steps from images, odometry and commands", said)[1])  # type: ignore[index]
    # On a machine without time a recorder may miss a message; none may differ, and nothing that is whole may be missed.
    with Bag(bag) as opened:
        assert opened.told
        assert rebuilt == WholeSteps(opened).count() > 0
    assert f"300 steps are in the bag as messages to the learner; {rebuilt} are equal" in said
    assert said.count(": equal") == 1
    assert main([str(bag), "--source", "messages", "--against", str(filled)]) == 0

    settings = load_profile(filled / "config.yaml")
    trainer = Trainer(settings, filled, state_dim(settings.observation))
    assert (trainer.inserted, trainer.updates, trainer.pending) == (300, 0, 5 * ((300 - 100) // 10))
    assert trainer.run_due(max_updates=3) == trainer.pending
    assert trainer.updates == 3


def test_impossible_steps_are_found() -> None:

    sound = [Step(1, 0, 0, 0, 100, False), Step(1, 1, 0, 1, 200, True), Step(1, 2, 1, 0, 900, False)]
    assert impossible(sound, 100) == []
    for index, wrong in (
        (1, Step(1, 1, 0, 1, 300, True)),
        (1, Step(1, 2, 0, 1, 200, True)),
        (2, Step(1, 2, 0, 2, 300, False)),
        (2, Step(1, 2, 1, 1, 900, False)),
    ):
        assert impossible([*sound[:index], wrong, *sound[index + 1 :]], 100) != []
