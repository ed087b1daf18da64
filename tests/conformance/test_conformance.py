# SPDX-License-Identifier: Apache-2.0
"""The conformance checks pass on the embedded simulator, and each finds the fault that it is for.

Real processes over real DDS: the simulator, and a simulator with a fault for each check. To save time a broken
simulator only repeats the experiment in which its fault shows; the rest of the recording is the sound simulator's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ..shared.patience import HANG

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

import rclpy
from carla_msgs.msg import CarlaEgoVehicleControl
from rclpy.context import Context
from rclpy.node import Node
from std_msgs.msg import String

from td3_driving.conformance import world_checks
from td3_driving.conformance.checks import CHECKS, experiments
from td3_driving.conformance.measures import CheckVerdict, Measures
from td3_driving.conformance.recording import Recording, Stretch
from td3_driving.nodes.conformance import command as conformance
from td3_driving.nodes.conformance import experiments as conformance_experiments
from td3_driving.nodes.conformance.experiments import join, run_experiment
from td3_driving.nodes.conformance.probe import Probe
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.fast_wait import take_message

from ..nodes.bridge_harness import start, stop
from .broken_simulator import FAULTS

SHORT_DRIVE = tuple((name, max(frames // 3, 6), command) for name, frames, command in conformance_experiments.DRIVE)
SHOWS_IN = {
    "teleport": "teleport",
    "pause": "pause",
    "command-wait": "hold",
    "spawning": "spawn",
    "clients": "tolerate",
}
"""Experiment in which the fault of a check shows; of the others, the drive."""


def failed(recording: Recording) -> list[str]:
    return [name for name, check in CHECKS.items() if not check.verdict(recording).passed]


def bad(verdict: CheckVerdict) -> str:
    return "; ".join(str(measure) for measure in verdict.evidence if not measure.good)


class Patient:
    """A simulator with switchable faults, and a probe on it."""

    def __init__(self, domain: int) -> None:
        self.domain = domain
        self.probe = Probe("ego_vehicle", domain)
        self._fault = self.probe.node.create_publisher(String, "/conformance/fault", qos.BRIDGE)
        self._in_force = [""]
        self.probe.node.create_subscription(
            String, "/conformance/broken", lambda said: self._in_force.append(said.data), qos.BRIDGE_LATCHED_ONE
        )
        assert join(self.probe, HANG) is not None

    def suffer(self, fault: str) -> None:
        """Switch to ``fault``, or back with an empty one."""
        self._fault.publish(String(data=fault))
        assert self.probe.until(lambda: self._in_force[-1] == fault, HANG)

    def recover(self) -> None:
        """Wait until frames come as they should."""
        self.suffer("")
        assert self.probe.until(lambda: self.probe.step(), HANG)


@pytest.fixture(scope="module")
def patient(module_domain_id: int) -> Iterator[Patient]:
    program = str(Path(__file__).with_name("broken_simulator.py"))
    process = start(module_domain_id, program=(program,), control_timeout=1.0)
    made = Patient(module_domain_id)
    yield made
    made.probe.close()
    code, errors = stop(process)
    assert (code, "Traceback" in errors) == (0, False), errors


@pytest.fixture(autouse=True)
def short_drive(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "patient" in request.fixturenames:
        monkeypatch.setattr(conformance_experiments, "DRIVE", SHORT_DRIVE)


def test_the_embedded_simulator_is_as_the_bridge(recording: Recording) -> None:
    verdicts = [check.verdict(recording) for check in CHECKS.values()]
    assert [verdict.id for verdict in verdicts] == list(FAULTS), "a check without a simulator that breaks it"
    assert [(verdict.id, bad(verdict)) for verdict in verdicts if not verdict.passed] == []


def test_the_breakable_simulator_is_sound_while_it_is_not_broken(recording: Recording, patient: Patient) -> None:
    again = replace(recording, graph=patient.probe.graph(), stretches=dict(recording.stretches))
    again.stretches["drive"] = run_experiment("drive", patient.probe)
    assert failed(again) == []


@pytest.mark.parametrize("name", FAULTS, ids=lambda name: f"{name}: {FAULTS[name]}")
def test_each_check_fails_on_a_simulator_that_breaks_it(recording: Recording, patient: Patient, name: str) -> None:
    verdict = CHECKS[name].verdict(with_fault(recording, patient, name))
    assert not verdict.passed, "; ".join(map(str, verdict.evidence))


def with_fault(recording: Recording, patient: Patient, name: str) -> Recording:
    """The recording with the stretch that a check is judged by taken from the broken simulator."""
    broken = replace(recording, stretches=dict(recording.stretches))
    patient.suffer(FAULTS[name])
    if name == "interfaces":
        patient.probe.listen_for(0.5)
        broken.graph = patient.probe.graph()
    elif name == "vehicle-and-map":
        late = Probe("ego_vehicle", patient.domain)
        joined = join(late, HANG)
        late.close()
        assert joined is not None
        broken.stretches["join"] = joined
    else:
        experiment = SHOWS_IN.get(name, "drive")
        assert experiment in experiments([CHECKS[name]])
        broken.stretches[experiment] = run_experiment(experiment, patient.probe)
    patient.recover()
    return broken


def test_the_command_says_what_it_found(
    sound: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(os.environ, "ROS_DOMAIN_ID", str(sound))
    report = tmp_path / "report.json"
    assert conformance.main(["--check", "vehicle-and-map", "--json", str(report)]) == 0
    assert "1 of 1 checks found what the CARLA bridge does" in capsys.readouterr().out
    (verdict,) = json.loads(report.read_text())
    assert (verdict["check"], verdict["passed"], len(verdict["evidence"])) == ("vehicle-and-map", True, 11)
    assert conformance.main(["--role", "hero", "--timeout", "1"]) == 2
    assert capsys.readouterr().err.startswith("error: no frames on /carla/hero within 1 s")


def test_nothing_is_no_evidence() -> None:
    assert failed(Recording()) == list(CHECKS)


def test_a_bridge_without_a_route_is_told_so() -> None:
    """The bridge alone publishes none; that is the work of a program beside it."""
    found = Measures()
    world_checks.route(Recording(stretches={"join": Stretch(), "drive": Stretch(), "teleport": Stretch()}), found)
    assert [str(measure) for measure in found.found] == ["routes at a late reader: 0 (allowed: 1)"]


@pytest.mark.parametrize(
    ("value", "good"),
    [(1.0, True), (2.0, True), (np.float64(1.5), True), (0.99, False), (float("nan"), False), (None, False)],
)
def test_a_value_is_good_within_its_bounds(value: float | None, good: bool) -> None:
    measures = Measures()
    measures.within("x", value, 1.0, 2.0, "m")
    assert measures.found[0].good is good
    assert "allowed: 1 .. 2 m" in str(measures.found[0])


def test_a_vehicle_that_somebody_drives_is_left_alone(
    sound: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(os.environ, "ROS_DOMAIN_ID", str(sound))
    context = Context()
    rclpy.init(args=[], context=context, domain_id=sound)
    driver = Node("somebody", namespace="/of/another", context=context)
    topic = "/carla/ego_vehicle/vehicle_control_cmd"
    driver.create_publisher(CarlaEgoVehicleControl, topic, qos.BRIDGE)
    heard: list[CarlaEgoVehicleControl] = []
    subscription = driver.create_subscription(CarlaEgoVehicleControl, topic, heard.append, qos.RECORDER)
    try:
        assert conformance.main(["--check", "vehicle-and-map"]) == 2
        error = capsys.readouterr().err
        assert error.startswith(
            "error: /of/another/somebody commands the vehicle on /carla/ego_vehicle/vehicle_control"
        )
        assert not take_message(subscription) and not heard, "nothing was commanded"
    finally:
        driver.destroy_node()
        rclpy.shutdown(context=context)
