"""What the conformance probe does on a running graph. Each experiment leaves a stretch; judging comes afterwards."""

from __future__ import annotations

import math
from typing import Any

from carla_msgs.msg import CarlaControl, CarlaEgoVehicleControl
from carla_msgs.srv import DestroyObject, GetBlueprints, SpawnObject
from geometry_msgs.msg import PoseStamped, Twist
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import Bool

from td3_driving.conformance.contract import PUBLISHED
from td3_driving.conformance.recording import Recording, Stretch
from td3_driving.driving.decoding import vehicle_state
from td3_driving.nodes import qos
from td3_driving.nodes.bridge_messages import pose as ground_pose
from td3_driving.nodes.conformance_probe import IMAGE, ODOMETRY, Probe

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
STATUS, VEHICLE_STATUS = "carla/status", "E/vehicle_status"
AHEAD, WALL_AHEAD = 10.0, 14.0
"""How far a teleport goes, and how far away the vehicle to collide with is put [m]."""


def join(probe: Probe, timeout: float) -> Stretch | None:
    """Wait for frames and for what is latched; ``None`` when no frame comes within ``timeout`` [s]."""
    stretch = probe.stretch = Stretch()
    for _ in range(max(int(timeout / 0.3), 1)):
        if probe.frames >= 2 and all(probe.counts[name] for name in LATCHED):
            break
        probe.send()
        probe.listen_for(0.3)
    probe.listen_for(0.3)
    return stretch if probe.frames else None


def run_experiment(name: str, probe: Probe) -> Stretch:
    """Make one experiment, from a standing start where the graph offers one."""
    probe.stretch = Stretch()
    probe.reset()
    stretch = probe.stretch = Stretch()
    EXPERIMENTS[name](probe, stretch)
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
    # The next experiment begins with a command that this one shall not hear of.
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


def _teleport(probe: Probe, stretch: Stretch) -> None:
    facts = stretch.facts
    place, goal = probe.publisher("E/control/set_transform"), probe.publisher("E/goal")
    probe.until(lambda: place.get_subscription_count() and goal.get_subscription_count(), 2.0)
    probe.step()
    _set_speed(probe, 6.0)
    probe.step()
    state = vehicle_state(probe.latest[ODOMETRY].message)
    facts["speed"] = state.speed
    x, y = state.x + AHEAD * math.cos(state.yaw), state.y + AHEAD * math.sin(state.yaw)
    target = ground_pose(x, y, state.yaw)
    target.position.z = state.z
    routes = probe.counts["E/waypoints"]
    place.publish(target)
    probe.listen_for(0.4)
    probe.step()
    after = vehicle_state(probe.latest[ODOMETRY].message)
    facts["miss"], facts["kept"] = math.hypot(after.x - x, after.y - y), after.speed
    facts["routes after the jump"] = _new_routes(probe, routes)
    wanted = PoseStamped(pose=probe.latest["E/waypoints"].message.poses[-1].pose)
    wanted.header.frame_id = "map"
    routes = probe.counts["E/waypoints"]
    goal.publish(wanted)
    facts["routes after the goal"] = _new_routes(probe, routes)
    for publisher in (place, goal):
        probe.node.destroy_publisher(publisher)


def _new_routes(probe: Probe, before: int) -> int:
    for _ in range(10):
        if probe.counts["E/waypoints"] > before:
            break
        probe.step(brake=1.0)
        probe.listen_for(0.1)
    probe.step(brake=1.0)
    probe.listen_for(0.2)
    return probe.counts["E/waypoints"] - before


def _set_speed(probe: Probe, speed: float) -> None:
    velocity = probe.publisher("E/control/set_target_velocity")
    probe.until(velocity.get_subscription_count, 2.0)
    twist = Twist()
    twist.linear.x = speed
    velocity.publish(twist)
    probe.listen_for(0.4)
    probe.node.destroy_publisher(velocity)


def _spawn(probe: Probe, stretch: Stretch) -> None:
    facts = stretch.facts
    answer = probe.call("carla/get_blueprints", GetBlueprints.Request(filter="vehicle.*"))
    names = [] if answer is None else list(answer.blueprints)
    facts["blueprints"], facts["sorted"] = len(names), names == sorted(names)
    state = vehicle_state(probe.latest[ODOMETRY].message)
    request = SpawnObject.Request(type="vehicle.*", id="conformance_wall")
    x, y = state.x + WALL_AHEAD * math.cos(state.yaw), state.y + WALL_AHEAD * math.sin(state.yaw)
    request.transform = ground_pose(x, y, state.yaw)
    request.transform.position.z = state.z + (0.5 if state.z else 0.0)
    wall = probe.call("carla/spawn_object", request)
    if wall is None:
        return
    facts["spawned"] = wall.id
    facts["frames until seen"] = _frames_until(probe, lambda: wall.id in _around(probe))
    again = probe.call("carla/spawn_object", request)
    facts["second"], facts["reason"] = (again.id, again.error_string) if again else (None, "")
    _collide(probe)
    destroyed = probe.call("carla/destroy_object", DestroyObject.Request(id=max(wall.id, 0)))
    facts["destroyed"] = destroyed is not None and destroyed.success
    facts["frames until gone"] = _frames_until(probe, lambda: wall.id not in _around(probe))
    nothing = probe.call("carla/destroy_object", DestroyObject.Request(id=999_999))
    facts["destroyed nothing"] = nothing is not None and nothing.success


def _collide(probe: Probe) -> None:
    before = probe.counts["E/collision"]
    _set_speed(probe, 8.0)
    for _ in range(60):
        if probe.counts["E/collision"] > before:
            break
        if not probe.step(throttle=0.6):
            return
    probe.step(brake=1.0)
    probe.settle()


def _around(probe: Probe) -> set[int]:
    latest = probe.latest.get("E/objects")
    return set() if latest is None else {thing.id for thing in latest.message.objects}


def _frames_until(probe: Probe, condition: Any) -> int | None:
    """Steps until ``condition`` holds, ``None`` when it does not within ten."""
    for count in range(10):
        if condition():
            return count
        probe.step(brake=1.0)
        probe.listen_for(0.02)
    return None


def _reset(probe: Probe, stretch: Stretch) -> None:
    for _ in range(3):
        probe.step(throttle=0.5)
    stretch.facts["reset"] = probe.reset(seed=2) or _jump_in_place(probe)
    for _ in range(3):
        probe.step(throttle=0.5)


def _jump_in_place(probe: Probe) -> bool:
    """The bridge alone has no reset; teleports are what resets on it are made of."""
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
    "teleport": _teleport,
    "spawn": _spawn,
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
