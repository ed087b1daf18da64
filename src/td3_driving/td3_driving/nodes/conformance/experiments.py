# SPDX-License-Identifier: Apache-2.0
"""The experiments of the conformance probe on a running graph. Each records a stretch, which is judged afterwards."""

from __future__ import annotations

import math
from typing import Any

from carla_msgs.msg import CarlaControl, CarlaEgoVehicleControl
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import Bool

from td3_driving.conformance.contract import PUBLISHED
from td3_driving.conformance.recording import Recording, Stretch
from td3_driving.driving import topics
from td3_driving.nodes.conformance.probe import IMAGE, ODOMETRY, Probe
from td3_driving.nodes.conformance.world import spawn, teleport
from td3_driving.nodes.ros import qos

OTHER_TIME_NS = 12_345 * 10**9
"""A header that no frame has."""
DRIVE: tuple[tuple[str, int, dict[str, Any]], ...] = (
    ("throttle", 40, {"throttle": 0.7}),
    ("steer right", 10, {"throttle": 0.3, "steer": 0.15}),
    ("brake", 30, {"brake": 1.0}),
    ("reverse", 20, {"throttle": 0.6, "reverse": True}),
    ("stop", 10, {"brake": 1.0}),
    ("again", 20, {"throttle": 0.7}),
    ("hand brake", 15, {"hand_brake": True}),
)
"""Phases of the drive: frames, and the command that is sent for each of them."""
LOST = 3
"""Commands without a frame after which an experiment is given up."""
LATCHED = ("E/vehicle_info", "carla/world_info", "E/waypoints")
STATUS, VEHICLE_STATUS = topics.BRIDGE_STATUS, "E/vehicle_status"


def join(probe: Probe, timeout: float) -> Stretch | None:
    """Wait for frames and for latched messages; ``None`` when no frame comes within ``timeout`` [s]."""
    stretch = probe.stretch = Stretch()
    for _ in range(max(int(timeout / 0.3), 1)):
        if probe.frames >= 2 and all(probe.counts[name] for name in LATCHED):
            break
        probe.send()
        probe.listen_for(0.3)
    probe.listen_for(0.3)
    probe.stretch = Stretch()
    return stretch if probe.frames else None


def run_experiment(name: str, probe: Probe) -> Stretch:
    """Make one experiment, from a standing start where the graph offers one."""
    probe.stretch = Stretch()
    probe.reset()
    stretch = probe.stretch = Stretch()
    EXPERIMENTS[name](probe, stretch)
    # Messages from here on belong to no experiment.
    probe.stretch = Stretch()
    return stretch


def _drive(probe: Probe, stretch: Stretch) -> None:
    lost = 0
    for name, frames, command in DRIVE:
        first = probe.newest
        for _ in range(frames):
            lost += not probe.step(**command)
            if lost >= LOST:
                return
        stretch.facts[f"phase {name}"] = (first, probe.newest)
    probe.settle()


def _hold(probe: Probe, stretch: Stretch) -> None:
    for _ in range(10):
        probe.step(throttle=0.6)
    probe.settle()
    stretch.heard.clear()
    frames = probe.frames
    probe.send(OTHER_TIME_NS, throttle=0.6)
    probe.until(lambda: probe.frames >= frames + 3, 10.0)
    # The next experiment begins with a command that must not show in this stretch.
    probe.stretch = Stretch()
    probe.step(brake=1.0)


def _override(probe: Probe, stretch: Stretch) -> None:
    override = probe.publisher("E/vehicle_control_manual_override")
    manual = probe.publisher("E/vehicle_control_cmd_manual")
    probe.until(lambda: override.get_subscription_count() and manual.get_subscription_count(), 2.0)
    override.publish(Bool(data=True))
    probe.listen_for(0.5)
    for _ in range(3):
        frames = probe.frames
        probe.send(steer=0.25)
        probe.listen_for(0.1)
        manual.publish(CarlaEgoVehicleControl(steer=-0.125))
        probe.until(lambda: probe.frames > frames)  # noqa: B023
    override.publish(Bool(data=False))
    probe.listen_for(0.5)
    probe.step()
    for publisher in (override, manual):
        probe.node.destroy_publisher(publisher)


def _tolerate(probe: Probe, stretch: Stretch) -> None:
    for steer in (0.01, 0.02, 0.03):
        probe.send(steer=steer)
    facts = stretch.facts
    facts["last command wins"] = probe.until(lambda: math.isclose(_echoed_steer(probe), 0.03, abs_tol=1e-4))
    facts["goes on"] = all(probe.step() for _ in range(3))
    topics = {topic.name: topic for topic in PUBLISHED}
    best_effort: list[Any] = []
    late: dict[str, list[Any]] = {"E/vehicle_info": [], ODOMETRY: []}
    profile = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    readers = [
        probe.listen(topics[IMAGE], profile, lambda message, _: best_effort.append(message)),
        probe.listen(topics["E/vehicle_info"], qos.BRIDGE_LATCHED, lambda m, _: late["E/vehicle_info"].append(m)),
        probe.listen(topics[ODOMETRY], qos.BRIDGE, lambda message, _: late[ODOMETRY].append(message)),
    ]
    for _ in range(20):
        if best_effort and all(late.values()):
            break
        probe.step()
        probe.listen_for(0.05)
    facts["best effort"], facts["late odometry"] = len(best_effort), len(late[ODOMETRY])
    facts["late vehicle_info"] = len(late["E/vehicle_info"])
    for reader in readers:
        probe.node.destroy_subscription(reader)


def _echoed_steer(probe: Probe) -> float:
    latest = probe.latest.get(VEHICLE_STATUS)
    return math.nan if latest is None else float(latest.message.control.steer)


def _pause(probe: Probe, stretch: Stretch) -> None:
    facts = stretch.facts
    control = probe.publisher("carla/control")
    probe.until(control.get_subscription_count, 2.0)

    def paused() -> bool:
        return STATUS in probe.latest and not probe.latest[STATUS].message.synchronous_mode_running

    control.publish(CarlaControl(command=CarlaControl.PAUSE))
    facts["paused"] = probe.until(paused)
    if not facts["paused"]:
        return
    probe.listen_for(0.2)
    frames, clocks = probe.frames, probe.counts["clock"]
    probe.send()
    probe.listen_for(1.3)
    facts["frames while paused"], facts["clocks while paused"] = probe.frames - frames, probe.counts["clock"] - clocks
    control.publish(CarlaControl(command=CarlaControl.STEP_ONCE))
    probe.until(lambda: probe.frames > frames)
    facts["paused again"] = probe.until(paused)
    probe.listen_for(0.4)
    facts["frames after a step"] = probe.frames - frames
    control.publish(CarlaControl(command=CarlaControl.PLAY))
    facts["frames after play"] = probe.until(lambda: probe.frames > frames + 1) and probe.step()


def _reset(probe: Probe, stretch: Stretch) -> None:
    for _ in range(3):
        probe.step(throttle=0.5)
    stretch.facts["reset"] = probe.reset(seed=2) or _jump_in_place(probe)
    for _ in range(3):
        probe.step(throttle=0.5)


def _jump_in_place(probe: Probe) -> bool:
    """Teleport in place instead of a reset, which the bridge alone does not offer."""
    place = probe.publisher("E/control/set_transform")
    there = probe.until(place.get_subscription_count, 2.0)
    place.publish(probe.latest[ODOMETRY].message.pose.pose)
    probe.listen_for(0.4)
    probe.node.destroy_publisher(place)
    return there


EXPERIMENTS = {
    "drive": _drive,
    "hold": _hold,
    "override": _override,
    "tolerate": _tolerate,
    "pause": _pause,
    "teleport": teleport,
    "spawn": spawn,
    "reset": _reset,
}


def record(probe: Probe, names: list[str], timeout: float) -> Recording | None:
    """Make the experiments ``names``; ``None`` when nothing drives on the graph within ``timeout`` [s]."""
    joined = join(probe, timeout)
    if joined is None:
        return None
    recording = Recording(probe.role, probe.graph(), {"join": joined})
    for name in names:
        if name != "join":
            recording.stretches[name] = run_experiment(name, probe)
    return recording
