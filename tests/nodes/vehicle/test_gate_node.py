# SPDX-License-Identifier: Apache-2.0
"""The fault table of the gate: each fault strikes a vehicle at 8 m/s, over real DDS, with the embedded simulator.

Run with ``-s`` to see the table of ``docs/deployment.md``.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")
pytest.importorskip("carla_msgs", reason="the message packages are not built; run: make build")

from carla_msgs.msg import CarlaEgoVehicleControl
from diagnostic_msgs.msg import DiagnosticStatus
from td3_driving_msgs.msg import GateStatus

from td3_driving.deploy.limits import GateSettings
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.conversions import header

from ..gate_bench import COMMAND, FOREIGN
from ..gate_vehicle import SPEED, Vehicle

PARAMETERS = Path(__file__).resolve().parents[3] / "config/vehicle/gate.yaml"
STOP = GateSettings().stop
FRAME = 0.05
COMFORTABLE = SPEED / STOP.comfortable + STOP.comfortable / (2.0 * STOP.comfortable_jerk)
EMERGENCY = SPEED / STOP.emergency + STOP.emergency / (2.0 * STOP.emergency_jerk)
"""Time from the beginning of a stop to standstill [s]: the way to the deceleration costs half of its time."""
SLACK = 0.4
"""A few frames for the way through the system, and for a vehicle that is a little faster than it should be [s]."""
MODES = {GateStatus.COMFORTABLE_STOP: "comfortable", GateStatus.EMERGENCY_STOP: "emergency"}


@dataclass(frozen=True)
class Case:
    """A fault: how the vehicle stops, until when at the latest [s], the words that tell why, whether it lasts."""

    name: str
    mode: int
    budget: float
    words: tuple[str, ...]
    lasts: bool = True


LATE = 0.35
"""From the last good input to the emergency brake [s], a frame included."""
CASES = (
    Case("camera stops", GateStatus.EMERGENCY_STOP, LATE + EMERGENCY, ("none for",)),
    Case("camera freezes, with new stamps", GateStatus.EMERGENCY_STOP, LATE + EMERGENCY, ("camera: frozen: the same",)),
    Case("odometry is NaN", GateStatus.EMERGENCY_STOP, LATE + EMERGENCY, ("odometry: none for", "it is not finite")),
    Case("policy killed with -9", GateStatus.EMERGENCY_STOP, LATE + EMERGENCY, ("command: none for",)),
    Case("policy sends NaN", GateStatus.EMERGENCY_STOP, LATE + EMERGENCY, ("command: none for", "steer is nan")),
    Case("full steering flip in every tick", GateStatus.COMFORTABLE_STOP, 0.3 + COMFORTABLE, ("steering changes",)),
    Case("two writers", GateStatus.EMERGENCY_STOP, 0.1 + EMERGENCY, ("writer: 2 publishers",)),
    Case("clock jumps back by 5 s", GateStatus.COMFORTABLE_STOP, 0.1 + COMFORTABLE, ("clock: it went back by",), False),
)


@pytest.fixture(scope="module")
def vehicle(module_domain_id: int) -> Iterator[Vehicle]:
    """One vehicle for all faults; each leaves it as it found it."""
    made = Vehicle(module_domain_id, "--params-file", str(PARAMETERS))
    try:
        made.meet()
        yield made
    finally:
        made.close()
    if TABLE:
        print("\n| fault | stop | standing after | budget |\n|---|---|---|---|")
        print("\n".join(TABLE))


TABLE: list[str] = []


class SecondWriter:
    """Somebody else who commands the vehicle: full throttle, in every frame."""

    def __init__(self, vehicle: Vehicle) -> None:
        self._vehicle = vehicle
        self._publisher = vehicle.node.create_publisher(CarlaEgoVehicleControl, COMMAND, qos.BRIDGE)

    def __call__(self, now: int) -> None:
        self._publisher.publish(CarlaEgoVehicleControl(header=header(now, FOREIGN), throttle=1.0))

    def close(self) -> None:
        self._vehicle.node.destroy_publisher(self._publisher)


def strike(vehicle: Vehicle, case: str) -> None:
    """The fault begins with the next frame."""
    if case == "camera stops":
        vehicle.silent = {"camera"}
    elif case.startswith("camera freezes"):
        vehicle.freeze()
    elif case == "odometry is NaN":
        vehicle.nan_odometry = True
    elif case.startswith("policy killed"):
        vehicle.kill_policy()
    elif case == "policy sends NaN":
        vehicle.say("nan")
    elif case.startswith("full steering"):
        vehicle.say("flip")
    elif case == "two writers":
        vehicle.foreign = SecondWriter(vehicle)
        vehicle.until(lambda: vehicle.node.count_publishers(COMMAND) == 2, "second writer")
    else:
        vehicle.shift_ns -= 5 * 10**9


def mend(vehicle: Vehicle) -> None:
    """The cause is gone."""
    vehicle.silent, vehicle.frozen, vehicle.nan_odometry = set(), None, False
    vehicle.say("drive")
    if vehicle.foreign is not None:
        vehicle.foreign.close()
        vehicle.foreign = None
    if vehicle.policy is None:
        vehicle.start_policy()
        vehicle.meet_policy()


def told(vehicle: Vehicle) -> list[str]:
    """What is an error on ``/diagnostics``."""
    errors = [status for status in vehicle.diagnostics.values() if status.level == DiagnosticStatus.ERROR]
    return [f"{status.name}: {status.message}" for status in errors]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fault(vehicle: Vehicle, case: Case) -> None:
    vehicle.reset_route()
    vehicle.get_going()
    strike(vehicle, case.name)
    frames = 0
    while vehicle.speed > STOP.standing_speed:
        vehicle.step()
        frames += 1
        assert frames * FRAME < case.budget + SLACK, f"{case.name}: still {vehicle.speed:.1f} m/s; {vehicle.status}"
    TABLE.append(f"| {case.name} | {MODES[case.mode]} | {frames * FRAME:.2f} s | {case.budget + SLACK:.2f} s |")
    assert (vehicle.status.mode, vehicle.status.latched) == (case.mode, True), vehicle.status
    vehicle.until(lambda: any(all(word in line for word in case.words) for line in told(vehicle)), f"reason in {case}")
    assert not (case.lasts and vehicle.trigger("gate/reset").success), "the cause is still there"

    mend(vehicle)
    vehicle.step(30)
    assert (vehicle.status.mode, vehicle.status.latched) == (case.mode, True), "no recovery without a reset"
    assert vehicle.speed < STOP.standing_speed
    vehicle.until(lambda: vehicle.step() and not vehicle.status.faults, "end of the faults")
    answer = vehicle.trigger("gate/reset")
    assert answer.success, answer.message
    vehicle.until(lambda: vehicle.step().mode == GateStatus.ACTIVE, "recovery")
    vehicle.until(lambda: vehicle.step() and vehicle.speed > 1.0, "driving on")


def test_lane_is_kept_through_the_gate(vehicle: Vehicle) -> None:
    """The healthy case: hardly a command is changed, and every one is accounted for from its image on."""
    vehicle.reset_route()
    vehicle.get_going()
    vehicle.step(60)
    status = vehicle.status
    assert (status.mode, status.reason, list(status.faults), list(status.filters)) == (GateStatus.ACTIVE, "", [], [])
    assert abs(vehicle._states[-1].pose.pose.position.y + 1.75) < 0.3
    assert 0.0 <= status.age_ms <= 100.0
    assert status.limits_hash == GateSettings().digest(), "the parameter file holds the defaults"
    assert vehicle.diagnostics["gate: command"].level == DiagnosticStatus.OK


def test_last_message_of_a_gate_that_is_told_to_end_is_a_stop(vehicle: Vehicle) -> None:
    """The last test of this vehicle: nobody commands it afterwards."""
    vehicle.reset_route()
    vehicle.get_going()
    vehicle.commands.clear()
    vehicle.gate.send_signal(signal.SIGTERM)
    vehicle.until(lambda: vehicle.gate.poll() is not None, "end of the gate")
    _, errors = vehicle.gate.communicate()
    assert (vehicle.gate.returncode, "Traceback" in errors) == (0, False), errors
    vehicle.until(lambda: vehicle.commands and vehicle.commands[-1].brake > 0.15, "last command")
    last: Any = vehicle.commands[-1]
    assert (last.throttle, last.header.stamp.sec > 0) == (0.0, True)
