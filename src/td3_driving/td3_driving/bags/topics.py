# SPDX-License-Identifier: Apache-2.0
"""The topics of a recording."""

from __future__ import annotations

from dataclasses import dataclass

from td3_driving.driving import topics
from td3_driving.driving.topics import EGO


@dataclass(frozen=True, slots=True)
class Recorded:
    """A topic of a recording.

    Attributes:
        name: without the namespace of the actor.
        kind: message type.
        latched: whether its publisher keeps messages for those who come late.
        shared: whether all actors use the one in the root namespace.
        also: another type that is read from bags of others.
        told: whether the bag notes which process sent each message; see :mod:`td3_driving.bags.provenance`.
    """

    name: str
    kind: str
    latched: bool = False
    shared: bool = False
    also: str = ""
    told: bool = False


TOPICS = (
    Recorded("clock", "rosgraph_msgs/msg/Clock"),
    Recorded("tf", "tf2_msgs/msg/TFMessage"),
    Recorded(topics.BRIDGE_STATUS, "carla_msgs/msg/CarlaStatus"),
    Recorded("carla/world_info", "carla_msgs/msg/CarlaWorldInfo", latched=True),
    Recorded(f"{EGO}/vehicle_status", "carla_msgs/msg/CarlaEgoVehicleStatus"),
    Recorded(f"{EGO}/vehicle_info", "carla_msgs/msg/CarlaEgoVehicleInfo", latched=True),
    Recorded(topics.CAMERA_INFO, "sensor_msgs/msg/CameraInfo"),
    Recorded(topics.IMAGE, "sensor_msgs/msg/Image", also="sensor_msgs/msg/CompressedImage", told=True),
    Recorded(topics.ODOMETRY, "nav_msgs/msg/Odometry", told=True),
    Recorded(f"{EGO}/speedometer", "std_msgs/msg/Float32"),
    Recorded(topics.ROUTE, "nav_msgs/msg/Path", latched=True),
    Recorded(topics.OBJECTS, "derived_object_msgs/msg/ObjectArray", told=True),
    Recorded(topics.ALL_OBJECTS, "derived_object_msgs/msg/ObjectArray", told=True),
    Recorded(topics.COLLISION, "carla_msgs/msg/CarlaCollisionEvent", told=True),
    Recorded(topics.LANE_INVASION, "carla_msgs/msg/CarlaLaneInvasionEvent"),
    Recorded(topics.COMMAND, "carla_msgs/msg/CarlaEgoVehicleControl"),
    Recorded(topics.REPLAY, "td3_driving_msgs/msg/Experience", latched=True, shared=True),
    Recorded(topics.EPISODE_START, "td3_driving_msgs/msg/EpisodeStart", latched=True, shared=True),
    Recorded(topics.REWARD, "td3_driving_msgs/msg/RewardTerms", shared=True),
    Recorded(topics.EPISODE, "td3_driving_msgs/msg/EpisodeSummary", shared=True),
    Recorded(topics.EVALUATION, "td3_driving_msgs/msg/EvaluationSummary", shared=True),
    Recorded(topics.LEARNER_STATUS, "td3_driving_msgs/msg/LearnerStatus", shared=True),
    Recorded(topics.REFUSALS, "td3_driving_msgs/msg/Refusals", shared=True),
    Recorded(topics.GUARD, "td3_driving_msgs/msg/Guard", latched=True, shared=True),
    Recorded("diagnostics", "diagnostic_msgs/msg/DiagnosticArray", shared=True),
)
"""Left out: weights, which the checkpoints keep, and markers, which follow from the rest."""
SHOWN = (
    Recorded(topics.GATE_STATUS, "td3_driving_msgs/msg/GateStatus"),
    Recorded("carla/markers/static", "visualization_msgs/msg/MarkerArray", latched=True),
)
"""Topics that bags from elsewhere may hold, and that are shown from them."""


def recorded_topics(num_actors: int) -> list[tuple[str, Recorded]]:
    """Full name and description of every topic of a run with ``num_actors`` actors."""
    spaces = [""] if num_actors == 1 else [f"/actor_{index}" for index in range(num_actors)]
    shared = [(f"/{topic.name}", topic) for topic in TOPICS if topic.shared]
    return shared + [(f"{space}/{topic.name}", topic) for space in spaces for topic in TOPICS if not topic.shared]
