# SPDX-License-Identifier: Apache-2.0
"""Checks of topics, coordinate frames, stamps, the order of a frame, camera and motion."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from td3_driving.conformance.contract import PUBLISHED, SERVICES, SUBSCRIBED, Topic, full
from td3_driving.conformance.measures import Measures
from td3_driving.conformance.recording import Endpoint, Recording, Stretch
from td3_driving.driving.decoding import nanoseconds, vehicle_state
from td3_driving.driving.vehicle_state import VehicleState, wrap_angle

IMAGE, INFO, ODOMETRY, STATUS = "E/rgb_front/image", "E/rgb_front/camera_info", "E/odometry", "E/vehicle_status"
STAMPED = (STATUS, INFO, IMAGE, ODOMETRY, "E/imu", "E/gnss", "E/objects", "carla/objects", "clock")
ORDER = ("clock", STATUS, INFO, IMAGE, ODOMETRY)
"""Order of publication within a frame; the other sensors lie between, and the place of ``tf`` is free."""


def names(recording: Recording, found: Measures) -> None:
    """Names, types, reliability and durability of the topics, and the types of the services."""
    for ends, topics in (
        (recording.graph.publishers, PUBLISHED),
        (recording.graph.subscriptions, SUBSCRIBED),
    ):
        for topic in topics:
            _endpoints(topic, ends.get(topic.name, []), full(topic.name, recording.role), found)
    for service, kind in SERVICES.items():
        found.equal(service, recording.graph.services.get(service), [kind])


def _endpoints(topic: Topic, ends: list[Endpoint], name: str, found: Measures) -> None:
    if topic.optional and not ends:
        return
    wanted = f"{topic.kind}, reliable, {topic.durability}"
    # Of several subscribers one is the bridge.
    shown = [f"{end.kind}, {'reliable' if end.reliable else 'best effort'}, {end.durability}" for end in ends]
    found.true(name, wanted in shown, "; ".join(sorted(set(shown))) or "nobody", wanted)


def coordinate_frames(recording: Recording, found: Measures) -> None:
    """``map``, ``ego_vehicle``, ``ego_vehicle/rgb_front`` with optical axes; transforms in every frame, none static."""
    stretch, role = recording["drive"], recording.role
    for topic, frame in ((ODOMETRY, "map"), (STATUS, "map"), (IMAGE, f"{role}/rgb_front"), (INFO, f"{role}/rgb_front")):
        found.equal(f"frame of {topic}", {heard.message.header.frame_id for heard in stretch.of(topic)}, {frame})
    children = {heard.message.child_frame_id for heard in stretch.of(ODOMETRY)}
    found.equal("child frame of the odometry", children, {role})
    transforms = [entry for heard in stretch.of("tf") for entry in heard.message.transforms]
    vehicle = [entry for entry in transforms if (entry.header.frame_id, entry.child_frame_id) == ("map", role)]
    camera = [entry for entry in transforms if entry.child_frame_id == f"{role}/rgb_front"]
    inner = set(stretch.frames()[1:-1])
    found.at_least("frames", len(inner), 10)
    for name, entries in (("map to vehicle", vehicle), ("vehicle to camera", camera)):
        there = {nanoseconds(entry.header.stamp) for entry in entries}
        found.equal(f"frames without a transform {name}", len(inner - there), 0)
    found.equal("parent of the camera", {entry.header.frame_id for entry in camera}, {role})
    rotation = camera[0].transform.rotation
    found.within("camera's z axis along the vehicle's x", _rotated(rotation, (0.0, 0.0, 1.0))[0], 0.7, 1.01)
    found.within("camera's x axis along the vehicle's y", _rotated(rotation, (1.0, 0.0, 0.0))[1], -1.01, -0.7)
    found.equal("publishers of tf_static", len(recording.graph.publishers.get("tf_static", [])), 0)


def stamps(recording: Recording, found: Measures) -> None:
    """One stamp for all messages of a frame, never zero, growing also across a reset."""
    stretch = recording["drive"]
    frames = stretch.frames()
    found.at_least("frames", len(frames), 10)
    inner = set(frames[1:-1])
    for topic in STAMPED:
        there = {heard.stamp for heard in stretch.of(topic)}
        if there or topic in ORDER:
            found.equal(f"frames without a {topic} of their stamp", len(inner - there), 0)
            strange = {stamp for stamp in there if frames[0] < stamp < frames[-1]} - inner
            found.equal(f"stamps of {topic} that no frame has", len(strange), 0)
    found.at_least("first stamp", frames[0], 1, "ns")
    for name in ("drive", "reset"):
        course = [heard.stamp for heard in recording[name].of(ODOMETRY)]
        steps = np.diff(course)
        found.at_least(f"least step of the stamps, {name}", min(steps.tolist(), default=None), 1, "ns")
    found.equal("a reset was seen", recording["reset"].facts.get("reset"), True)


def order(recording: Recording, found: Measures) -> None:
    """Order of publication: status, clock, vehicle status, camera info, image, odometry, speedometer."""
    stretch = recording["drive"]
    frames = stretch.frames()[1:-1]
    sent = {topic: {stamp: heard.sent_ns for stamp, heard in stretch.by_stamp(topic).items()} for topic in ORDER}
    whole = [stamp for stamp in frames if all(stamp in sent[topic] for topic in ORDER)]
    found.at_least("whole frames", len(whole), 10)
    for before, after in zip(ORDER, ORDER[1:]):
        wrong = sum(sent[before][stamp] > sent[after][stamp] for stamp in whole)
        found.equal(f"frames in which {after} came before {before}", wrong, 0)
    spans = [(sent[ODOMETRY][one], sent["clock"][two]) for one, two in zip(whole, whole[1:])]
    for topic in ("E/speedometer", "carla/status"):
        times = np.array([heard.sent_ns for heard in stretch.of(topic)])
        missing = sum(not ((times >= low) & (times <= high)).any() for low, high in spans)
        found.equal(f"frames without {topic} between the odometry and the next clock", missing, 0)


def camera(recording: Recording, found: Measures) -> None:
    """``bgra8`` rows of four bytes a pixel; a pinhole in the middle of the image."""
    stretch = recording["drive"]
    images, infos = stretch.of(IMAGE), stretch.of(INFO)
    found.at_least("images", len(images), 10)
    image, info = images[-1].message, infos[-1].message
    found.equal("encoding", image.encoding, "bgra8")
    found.equal("bytes of a row", image.step, 4 * image.width)
    found.equal("bytes of an image", {len(heard.message.data) for heard in images}, {image.step * image.height})
    found.equal("big endian", image.is_bigendian, 0)
    found.equal("size in the camera info", (info.width, info.height), (image.width, image.height))
    found.equal("distortion", (info.distortion_model, list(info.d)), ("plumb_bob", [0.0] * 5))
    fx, fy, cx, cy = (float(info.k[i]) for i in (0, 4, 2, 5))
    found.within("fy - fx", fy - fx, -1e-6 * abs(fx), 1e-6 * abs(fx), "px")
    found.within("field of view", math.degrees(2.0 * math.atan2(info.width / 2.0, fx)), 20.0, 150.0, "deg")
    found.equal("centre", (cx, cy), (info.width / 2.0, info.height / 2.0))
    found.equal("rotation", [float(value) for value in info.r], [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0])
    found.equal("projection", [float(info.p[i]) for i in (0, 5, 2, 6)], [fx, fy, cx, cy])


def motion(recording: Recording, found: Measures) -> None:
    """Pose in the map against twist in the vehicle; unsigned speed; acceleration in the map; no covariance."""
    stretch = recording["drive"]
    states = [vehicle_state(heard.message) for heard in stretch.of(ODOMETRY)]
    pairs = [pair for pair in zip(states, states[1:]) if 0 < pair[1].stamp_ns - pair[0].stamp_ns < 2 * 10**8]
    found.at_least("pairs of frames", len(pairs), 10)
    moved = np.array([_moved(*pair) for pair in pairs])
    told = np.array([_told(*pair) for pair in pairs])
    for axis, name, tolerance in ((0, "forward speed", 0.5), (1, "speed to the left", 0.5), (2, "yaw rate", 0.25)):
        unit = "rad/s" if axis == 2 else "m/s"
        gap = float(np.median(np.abs(told[:, axis] - moved[:, axis])))
        found.within(f"{name} against the pose, median difference", gap, 0.0, tolerance, unit)
    turning = np.abs(moved[:, 2]) > 0.05
    found.at_least("frames in a turn", int(turning.sum()), 3)
    agree = float(np.mean(np.sign(told[turning, 2]) == np.sign(moved[turning, 2]))) if turning.any() else None
    found.at_least("share of these whose yaw rate has the sign of the heading's change", agree, 0.8)
    last = stretch.of(ODOMETRY)[-1].message
    covariances = [*last.pose.covariance, *last.twist.covariance]
    found.equal("covariances that are not zero", sum(value != 0.0 for value in covariances), 0)
    _vehicle_status(stretch, states, found)


def _vehicle_status(stretch: Stretch, states: list[VehicleState], found: Measures) -> None:
    by_stamp = stretch.by_stamp(STATUS)
    both = [(state, by_stamp[state.stamp_ns].message) for state in states if state.stamp_ns in by_stamp]
    found.at_least("vehicle statuses with odometry", len(both), 10)
    found.at_least("least speed in vehicle_status", min(status.velocity for _, status in both), 0.0, "m/s")
    gap = max(abs(status.velocity - math.hypot(state.speed, state.lateral_speed)) for state, status in both)
    found.within("vehicle_status.velocity against the odometry", gap, 0.0, 0.3, "m/s")
    change, stated = 0.0, 0.0
    for (one, _), (two, status) in zip(both, both[1:]):
        seconds = (two.stamp_ns - one.stamp_ns) * 1e-9
        rate = (np.array(_map_velocity(two)) - np.array(_map_velocity(one))) / seconds
        if 1.0 < float(np.hypot(*rate)) < 30.0:
            linear = status.acceleration.linear
            change += float(rate @ rate)
            stated += float(rate @ np.array((linear.x, linear.y)))
    found.at_least("acceleration of the map velocity, agreement with vehicle_status", stated / max(change, 1e-9), 0.3)


def _map_velocity(state: VehicleState) -> tuple[float, float]:
    cosine, sine = math.cos(state.yaw), math.sin(state.yaw)
    return (
        state.speed * cosine - state.lateral_speed * sine,
        state.speed * sine + state.lateral_speed * cosine,
    )


def _moved(one: VehicleState, two: VehicleState) -> tuple[float, float, float]:
    """Velocity along and across the vehicle, left positive [m/s], and turn rate [rad/s], by two poses."""
    seconds = (two.stamp_ns - one.stamp_ns) * 1e-9
    turn = wrap_angle(two.yaw - one.yaw)
    middle = one.yaw + 0.5 * turn
    dx, dy = (two.x - one.x) / seconds, (two.y - one.y) / seconds
    along = dx * math.cos(middle) + dy * math.sin(middle)
    return along, dy * math.cos(middle) - dx * math.sin(middle), turn / seconds


def _told(one: VehicleState, two: VehicleState) -> tuple[float, float, float]:
    """The same as the twists say."""
    return (
        0.5 * (one.speed + two.speed),
        0.5 * (one.lateral_speed + two.lateral_speed),
        0.5 * (one.yaw_rate + two.yaw_rate),
    )


def _rotated(rotation: Any, vector: tuple[float, float, float]) -> tuple[float, float, float]:
    """``vector`` rotated by a quaternion."""
    axis = np.array((rotation.x, rotation.y, rotation.z))
    start = np.array(vector)
    cross = 2.0 * np.cross(axis, start)
    turned = start + rotation.w * cross + np.cross(axis, cross)
    return float(turned[0]), float(turned[1]), float(turned[2])
