# SPDX-License-Identifier: Apache-2.0
"""Each conformance check fails on a recording in which one thing is wrong."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from td3_driving.conformance.checks import CHECKS
from td3_driving.conformance.recording import Endpoint, Graph, Heard, Recording, Stretch

Change = Callable[[Recording], None]


def copied(recording: Recording) -> Recording:
    """A recording whose lists and tables are its own; its messages are shared."""
    graph = Graph(*(dict(table) for table in vars(recording.graph).values()))
    stretches = {
        name: Stretch(list(stretch.heard), list(stretch.sent), dict(stretch.facts))
        for name, stretch in recording.stretches.items()
    }
    return Recording(recording.role, graph, stretches)


def own(recording: Recording, experiment: str, topic: str) -> list[Any]:
    """The messages of a topic, copied so that they can be changed, in the order in which they were sent."""
    stretch, messages = recording[experiment], []
    for place, heard in sorted(enumerate(stretch.heard), key=lambda pair: pair[1].sent_ns):
        if heard.topic == topic:
            messages.append(copy.deepcopy(heard.message))
            stretch.heard[place] = replace(heard, message=messages[-1])
    assert messages
    return messages


def each(experiment: str, topic: str, change: Callable[[Any], None]) -> Change:
    """Change every message of a topic."""

    def apply(recording: Recording) -> None:
        for message in own(recording, experiment, topic):
            change(message)

    return apply


def fact(experiment: str, name: str, value: Any) -> Change:
    return lambda recording: recording[experiment].facts.__setitem__(name, value)


def without(experiment: str, topic: str) -> Change:
    def apply(recording: Recording) -> None:
        stretch = recording[experiment]
        stretch.heard = [heard for heard in stretch.heard if heard.topic != topic]

    return apply


def endpoint(side: str, topic: str, *end: Any) -> Change:
    return lambda recording: getattr(recording.graph, side).__setitem__(topic, [Endpoint(*end)] if end else [])


def setting(path: str, value: Any) -> Callable[[Any], None]:
    """Set a field, named with dots, of a message; a function gets the old value."""

    def change(message: Any) -> None:
        *owners, name = path.split(".")
        for owner in owners:
            message = getattr(message, owner)
        setattr(message, name, value(getattr(message, name)) if callable(value) else value)

    return change


def stamped_again(recording: Recording) -> None:
    """The clock of the frames after the reset starts anew."""
    messages = own(recording, "reset", "E/odometry")
    for message in messages[len(messages) // 2 :]:
        message.header.stamp.sec -= 3


def late_status(recording: Recording) -> None:
    stretch = recording["drive"]
    stretch.heard = [
        Heard(h.topic, h.sent_ns + 10**9, h.wall, h.message) if h.topic == "E/vehicle_status" else h
        for h in stretch.heard
    ]


def swapped_twist(recording: Recording) -> None:
    for message in own(recording, "drive", "E/odometry"):
        linear = message.twist.twist.linear
        linear.x, linear.y = -linear.y, linear.x


def one_list_more(recording: Recording) -> None:
    own(recording, "drive", "carla/actor_list")[5].actors.pop()


def two_routes(recording: Recording) -> None:
    recording["join"].heard.append(recording["join"].of("E/waypoints")[0])


INFO, CAMERA_INFO = "carla_msgs/msg/CarlaEgoVehicleInfo", "E/rgb_front/camera_info"
MUTATIONS: tuple[tuple[str, str, Change], ...] = (
    (
        "interfaces",
        "volatile vehicle_info",
        endpoint("publishers", "E/vehicle_info", "carla_msgs/msg/CarlaEgoVehicleInfo", True, "volatile"),
    ),
    ("interfaces", "nobody takes commands", endpoint("subscriptions", "E/vehicle_control_cmd")),
    ("interfaces", "another type", endpoint("publishers", "E/speedometer", "std_msgs/msg/Float64", True, "volatile")),
    ("interfaces", "no spawn service", lambda recording: recording.graph.services.pop("carla/spawn_object") and None),
    ("coordinate-frames", "odometry in odom", each("drive", "E/odometry", setting("header.frame_id", "odom"))),
    ("coordinate-frames", "no transforms", without("drive", "tf")),
    (
        "coordinate-frames",
        "static transforms",
        endpoint("publishers", "tf_static", "tf2_msgs/msg/TFMessage", True, "transient local"),
    ),
    ("stamps", "time starts anew after a reset", stamped_again),
    ("stamps", "no reset", fact("reset", "reset", False)),
    ("frame-order", "status after the image", late_status),
    ("frame-order", "no speedometer", without("drive", "E/speedometer")),
    ("camera", "rgb8", each("drive", "E/rgb_front/image", setting("encoding", "rgb8"))),
    ("camera", "rows of three bytes", each("drive", "E/rgb_front/image", setting("step", 192))),
    (
        "camera",
        "optical centre at the corner",
        each("drive", CAMERA_INFO, lambda info: info.k.__setitem__(2, 0.0)),
    ),
    ("motion", "twist in map axes", swapped_twist),
    ("motion", "covariance", each("drive", "E/odometry", lambda message: message.pose.covariance.__setitem__(0, 0.1))),
    ("motion", "signed speed", each("drive", "E/vehicle_status", setting("velocity", lambda speed: -speed))),
    (
        "motion",
        "acceleration mirrored",
        each("drive", "E/vehicle_status", setting("acceleration.linear.x", lambda a: -a)),
    ),
    ("commands", "throttle forgotten", each("hold", "E/vehicle_status", setting("control.throttle", 0.0))),
    ("commands", "override not heard", each("override", "E/vehicle_status", setting("control.steer", 0.25))),
    (
        "command-echo",
        "header in the echo",
        each("drive", "E/vehicle_status", setting("control.header.frame_id", "ego_vehicle")),
    ),
    ("events", "no collision", without("spawn", "E/collision")),
    (
        "events",
        "stamp of another time",
        each("spawn", "E/collision", setting("header.stamp.nanosec", lambda ns: ns + 1)),
    ),
    ("teleport", "velocity ignored", fact("teleport", "speed", 0.1)),
    ("pause", "clock goes on", fact("pause", "clocks while paused", 3)),
    ("pause", "two frames a step", fact("pause", "frames after a step", 2)),
    ("command-wait", "no frame without a command", without("hold", "E/odometry")),
    ("pace", "variable step", each("drive", "carla/status", setting("fixed_delta_seconds", 0.0))),
    ("pace", "at the pace of the clock", fact("drive", "answer times", [0.05] * 50)),
    (
        "vehicle-and-map",
        "radius in metres",
        each("join", "E/vehicle_info", lambda info: setattr(info.wheels[0], "radius", 0.35)),
    ),
    ("vehicle-and-map", "no map", each("join", "carla/world_info", setting("opendrive", ""))),
    ("object-lists", "ids that change", one_list_more),
    ("object-lists", "no ego among all", each("drive", "carla/objects", lambda array: array.objects.pop() and None)),
    ("spawning", "never seen", fact("spawn", "frames until seen", None)),
    (
        "route",
        "two latched routes",
        lambda recording: recording["join"].heard.append(recording["join"].of("E/waypoints")[0]),
    ),
    ("route", "jump not noticed", fact("teleport", "routes after the jump", 0)),
    ("clients", "nothing for the late", fact("tolerate", "late vehicle_info", 0)),
)


@pytest.mark.parametrize(("check", "what", "change"), MUTATIONS, ids=[f"{one[0]}: {one[1]}" for one in MUTATIONS])
def test_a_recording_with_one_thing_wrong_fails(recording: Recording, check: str, what: str, change: Change) -> None:
    wrong = copied(recording)
    change(wrong)
    verdict = CHECKS[check].verdict(wrong)
    assert not verdict.passed, "; ".join(map(str, verdict.evidence))
