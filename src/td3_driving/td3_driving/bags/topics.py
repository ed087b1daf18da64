"""What a recording of a run holds."""

from __future__ import annotations

from dataclasses import dataclass

EGO = "carla/ego_vehicle"
IMAGE, ODOMETRY = f"{EGO}/rgb_front/image", f"{EGO}/odometry"
OBJECTS, ALL_OBJECTS = f"{EGO}/objects", "carla/objects"
"""The second one is in a bag for those whose back end has the first one not."""
COMMAND, COLLISION = f"{EGO}/vehicle_control_cmd", f"{EGO}/collision"
REPLAY, START = "td3/replay", "td3/episode_start"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A topic of a recording.

    Attributes:
        name: without the namespace of the actor.
        kind: message type.
        latched: whether its publisher keeps messages for those who come late.
        shared: whether all actors use the one in the root namespace.
    """

    name: str
    kind: str
    latched: bool = False
    shared: bool = False


TOPICS = (
    Recorded("clock", "rosgraph_msgs/msg/Clock"),
    Recorded("tf", "tf2_msgs/msg/TFMessage"),
    Recorded("carla/status", "carla_msgs/msg/CarlaStatus"),
    Recorded("carla/world_info", "carla_msgs/msg/CarlaWorldInfo", latched=True),
    Recorded(f"{EGO}/vehicle_status", "carla_msgs/msg/CarlaEgoVehicleStatus"),
    Recorded(f"{EGO}/vehicle_info", "carla_msgs/msg/CarlaEgoVehicleInfo", latched=True),
    Recorded(f"{EGO}/rgb_front/camera_info", "sensor_msgs/msg/CameraInfo"),
    Recorded(IMAGE, "sensor_msgs/msg/Image"),
    Recorded(ODOMETRY, "nav_msgs/msg/Odometry"),
    Recorded(f"{EGO}/speedometer", "std_msgs/msg/Float32"),
    Recorded(f"{EGO}/waypoints", "nav_msgs/msg/Path", latched=True),
    Recorded(OBJECTS, "derived_object_msgs/msg/ObjectArray"),
    Recorded(ALL_OBJECTS, "derived_object_msgs/msg/ObjectArray"),
    Recorded(COLLISION, "carla_msgs/msg/CarlaCollisionEvent"),
    Recorded(f"{EGO}/lane_invasion", "carla_msgs/msg/CarlaLaneInvasionEvent"),
    Recorded(COMMAND, "carla_msgs/msg/CarlaEgoVehicleControl"),
    Recorded(REPLAY, "td3_driving_msgs/msg/Experience", latched=True, shared=True),
    Recorded(START, "td3_driving_msgs/msg/EpisodeStart", latched=True, shared=True),
    Recorded("td3/reward", "td3_driving_msgs/msg/RewardComponents", shared=True),
    Recorded("td3/episode", "td3_driving_msgs/msg/EpisodeSummary", shared=True),
    Recorded("td3/evaluation", "td3_driving_msgs/msg/EvaluationSummary", shared=True),
    Recorded("td3/learner_status", "td3_driving_msgs/msg/LearnerStatus", shared=True),
    Recorded("td3/guard", "td3_driving_msgs/msg/Guard", latched=True, shared=True),
    Recorded("diagnostics", "diagnostic_msgs/msg/DiagnosticArray", shared=True),
)
"""Left out: weights, which the checkpoints keep, and what is drawn from the rest: markers."""


def recorded_topics(num_actors: int) -> list[tuple[str, Recorded]]:
    """Full name and description of every topic of a run with ``num_actors`` actors."""
    spaces = [""] if num_actors == 1 else [f"/actor_{index}" for index in range(num_actors)]
    shared = [(f"/{topic.name}", topic) for topic in TOPICS if topic.shared]
    return shared + [(f"{space}/{topic.name}", topic) for space in spaces for topic in TOPICS if not topic.shared]
