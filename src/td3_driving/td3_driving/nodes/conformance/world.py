# SPDX-License-Identifier: Apache-2.0
"""Experiments of the conformance probe with places and other vehicles."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from carla_msgs.srv import DestroyObject, SpawnObject
from geometry_msgs.msg import PoseStamped, Twist

from td3_driving.conformance.recording import Stretch
from td3_driving.driving import topics
from td3_driving.driving.decoding import vehicle_state
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.nodes.conformance.probe import ODOMETRY, Probe
from td3_driving.nodes.ros.conversions import pose as ground_pose

AHEAD, WALL_AHEAD = 10.0, 14.0
"""How far a teleport goes, and how far away the vehicle to collide with is put [m]."""
LATE = 3
"""Frames in which an order must have had its effect."""


def teleport(probe: Probe, stretch: Stretch) -> None:
    """Give the vehicle a speed, move it ahead, send it to a goal."""
    facts = stretch.facts
    place, goal = probe.publisher("E/control/set_transform"), probe.publisher("E/goal")
    probe.until(lambda: place.get_subscription_count() and goal.get_subscription_count(), 2.0)
    probe.step()
    _set_speed(probe, 6.0)
    state = _state_once(probe, lambda state: state.speed > 3.0)
    facts["speed"] = state.speed
    x, y = state.x + AHEAD * math.cos(state.yaw), state.y + AHEAD * math.sin(state.yaw)
    target = ground_pose(x, y, state.yaw)
    target.position.z = state.z
    routes = probe.counts["E/waypoints"]
    place.publish(target)
    probe.listen_for(0.4)
    after = _state_once(probe, lambda state: math.hypot(state.x - x, state.y - y) < AHEAD / 2.0)
    facts["miss"], facts["kept"] = math.hypot(after.x - x, after.y - y), after.speed
    facts["routes after the jump"] = _new_routes(probe, routes)
    facts["routes after the goal"] = _send_to_goal(probe, goal)
    for publisher in (place, goal):
        probe.node.destroy_publisher(publisher)


def _state_once(probe: Probe, condition: Callable[[VehicleState], bool]) -> VehicleState:
    """The state in the first frame in which ``condition`` holds, or in the third: a busy bridge hears an order late."""
    for _ in range(LATE):
        probe.step()
        state = vehicle_state(probe.latest[ODOMETRY].message)
        if condition(state):
            break
    return state


def _send_to_goal(probe: Probe, goal: Any) -> int:
    """Ask for a route to the end of the present one; the number of routes that come of it.

    The bridge alone publishes no route: that is the work of a program beside it.
    """
    latest = probe.latest.get("E/waypoints")
    if latest is None or not latest.message.poses:
        return 0
    wanted = PoseStamped(pose=latest.message.poses[-1].pose)
    wanted.header.frame_id = "map"
    routes = probe.counts["E/waypoints"]
    goal.publish(wanted)
    return _new_routes(probe, routes)


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


def spawn(probe: Probe, stretch: Stretch) -> None:
    """Park a vehicle ahead, drive into it, remove it.

    The list of blueprints is not asked for: under ROS 2 the question ends the published bridge, whose callback takes
    one argument and gets two.
    """
    facts = stretch.facts
    state = vehicle_state(probe.latest[ODOMETRY].message)
    request = SpawnObject.Request(type="vehicle.*", id="conformance_wall")
    x, y = state.x + WALL_AHEAD * math.cos(state.yaw), state.y + WALL_AHEAD * math.sin(state.yaw)
    request.transform = ground_pose(x, y, state.yaw)
    request.transform.position.z = state.z + (0.5 if state.z else 0.0)
    wall = probe.call(topics.SPAWN_OBJECT, request)
    if wall is None:
        return
    facts["spawned"] = wall.id
    facts["frames until seen"] = _frames_until(probe, lambda: wall.id in _around(probe))
    again = probe.call(topics.SPAWN_OBJECT, request)
    facts["second"], facts["reason"] = (again.id, again.error_string) if again else (None, "")
    _collide(probe)
    destroyed = probe.call(topics.DESTROY_OBJECT, DestroyObject.Request(id=max(wall.id, 0)))
    facts["destroyed"] = destroyed is not None and destroyed.success
    facts["frames until gone"] = _frames_until(probe, lambda: wall.id not in _around(probe))
    nothing = probe.call(topics.DESTROY_OBJECT, DestroyObject.Request(id=999_999))
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
