# SPDX-License-Identifier: Apache-2.0
"""Gate and real drive node: killed, its bundle replaced by a corrupt one on the disk, or in a swap while it drives."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ...shared.patience import HANG

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from td3_driving_msgs.msg import GateStatus
from td3_driving_msgs.srv import SwapBundle

from td3_driving.deploy.limits import GateSettings

from ..asking import Question
from ..deploy_harness import start_drive
from ..gate_vehicle import Vehicle
from ..policy_bundle import lane_following_weights, make_bundle, small_settings

SPEED = 5.0
"""At which the bundle drives [m/s]."""
STOP = GateSettings().stop
FRAME = 0.05
BUDGET = 0.35 + SPEED / STOP.emergency + STOP.emergency / (2.0 * STOP.emergency_jerk) + 0.4
"""Until standstill [s]: silence until the emergency brake, the way to its deceleration, and a few frames."""


class DeployedVehicle(Vehicle):
    """A vehicle whose policy is the deployed node with ``bundle``."""

    def __init__(self, domain: int, bundle: Path) -> None:
        self.bundle = bundle
        super().__init__(domain)

    def start_policy(self) -> None:
        self.policy = start_drive(self.domain, self.bundle)


@pytest.fixture
def vehicle(tmp_path: Path, domain_id: int) -> Iterator[DeployedVehicle]:
    settings = small_settings(observation__state="map", network__hidden_layers=1)
    sound = make_bundle(settings, weights=lane_following_weights(settings))
    (tmp_path / "policy.zip").write_bytes(sound)
    (tmp_path / "sound.zip").write_bytes(sound)
    (tmp_path / "corrupt.zip").write_bytes(sound[: len(sound) // 2] + b"?" + sound[len(sound) // 2 + 1 :])
    made = DeployedVehicle(domain_id, tmp_path / "policy.zip")
    try:
        made.meet()
        made.reset_route()
        made.get_going(SPEED)
        yield made
    finally:
        made.close()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and complaints of a process that ends by itself."""
    _, errors = process.communicate(timeout=HANG)
    return process.returncode, errors


def test_killed_node_whose_bundle_was_replaced_by_a_corrupt_one(vehicle: DeployedVehicle, tmp_path: Path) -> None:
    vehicle.kill_policy()
    vehicle.bundle.write_bytes((tmp_path / "corrupt.zip").read_bytes())
    frames = 0
    while vehicle.speed > STOP.standing_speed:
        vehicle.step()
        frames += 1
        assert frames * FRAME < BUDGET, f"still {vehicle.speed:.1f} m/s; {vehicle.status}"
    print(f"drive node killed with -9 at {SPEED} m/s: standing after {frames * FRAME:.2f} s, budget {BUDGET:.2f} s")
    assert (vehicle.status.mode, vehicle.status.latched) == (GateStatus.EMERGENCY_STOP, True)
    told = vehicle.diagnostics
    vehicle.until(lambda: "command: none for" in told["gate: command"].message, "reason on /diagnostics")

    vehicle.start_policy()
    assert vehicle.policy is not None
    code, errors = ended(vehicle.policy)
    assert (code, errors.count("error: ")) == (2, 1), "a corrupt bundle is not driven by"
    vehicle.policy = None
    vehicle.step(10)
    assert not vehicle.trigger("gate/reset").success, "nobody asks for anything"

    vehicle.bundle.write_bytes((tmp_path / "sound.zip").read_bytes())
    vehicle.start_policy()
    vehicle.meet_policy()
    vehicle.step(30)
    assert (vehicle.status.mode, vehicle.status.latched) == (GateStatus.EMERGENCY_STOP, True), "no recovery by itself"
    vehicle.until(lambda: vehicle.step() and not vehicle.status.faults, "end of the faults")
    assert vehicle.trigger("gate/reset").success
    vehicle.until(lambda: vehicle.step() and vehicle.speed > 1.0, "driving on")


def test_swap_to_a_corrupt_bundle_is_refused_and_the_car_drives_on(vehicle: DeployedVehicle, tmp_path: Path) -> None:
    client = vehicle.node.create_client(SwapBundle, "drive/swap_bundle")
    question = Question(client, SwapBundle.Request(path=str(tmp_path / "corrupt.zip")))

    def answered() -> bool:
        assert vehicle.step().mode == GateStatus.ACTIVE, "no command is missing meanwhile"
        return question.answered()

    vehicle.until(answered, "answer of the swap")
    assert not question.answer.success and "bundle" in question.answer.message
    vehicle.step(40)
    assert vehicle.status.mode == GateStatus.ACTIVE and abs(vehicle.speed - SPEED) < 1.0
