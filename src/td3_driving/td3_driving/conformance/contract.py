# SPDX-License-Identifier: Apache-2.0
"""Topics and services of the CARLA ROS bridge: names, types, durability. All are reliable.

``E`` in a name stands for ``carla/ROLE``. Source: carla_ros_bridge at version 0.9.13, its waypoint publisher, and the
sensors that the objects definition of this project asks for.
"""

from __future__ import annotations

from dataclasses import dataclass

VOLATILE, LATCHED = "volatile", "transient local"


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of the bridge.

    Attributes:
        name: without a leading slash.
        kind: message type.
        durability: of the bridge's end.
        optional: whether it depends on sensors that a set-up may leave out.
    """

    name: str
    kind: str
    durability: str = VOLATILE
    optional: bool = False


PUBLISHED = (
    Topic("clock", "rosgraph_msgs/msg/Clock"),
    Topic("tf", "tf2_msgs/msg/TFMessage"),
    Topic("carla/status", "carla_msgs/msg/CarlaStatus"),
    Topic("carla/world_info", "carla_msgs/msg/CarlaWorldInfo", LATCHED),
    Topic("carla/objects", "derived_object_msgs/msg/ObjectArray"),
    Topic("carla/actor_list", "carla_msgs/msg/CarlaActorList"),
    Topic("carla/map", "std_msgs/msg/String", LATCHED, optional=True),
    Topic("carla/markers", "visualization_msgs/msg/MarkerArray", optional=True),
    Topic("carla/markers/static", "visualization_msgs/msg/MarkerArray", LATCHED, optional=True),
    Topic("carla/traffic_lights/status", "carla_msgs/msg/CarlaTrafficLightStatusList", LATCHED, optional=True),
    Topic("carla/traffic_lights/info", "carla_msgs/msg/CarlaTrafficLightInfoList", LATCHED, optional=True),
    Topic("E/vehicle_status", "carla_msgs/msg/CarlaEgoVehicleStatus"),
    Topic("E/vehicle_info", "carla_msgs/msg/CarlaEgoVehicleInfo", LATCHED),
    Topic("E/odometry", "nav_msgs/msg/Odometry"),
    Topic("E/speedometer", "std_msgs/msg/Float32"),
    Topic("E/rgb_front/image", "sensor_msgs/msg/Image"),
    Topic("E/rgb_front/camera_info", "sensor_msgs/msg/CameraInfo"),
    Topic("E/imu", "sensor_msgs/msg/Imu", optional=True),
    Topic("E/gnss", "sensor_msgs/msg/NavSatFix", optional=True),
    Topic("E/collision", "carla_msgs/msg/CarlaCollisionEvent"),
    Topic("E/lane_invasion", "carla_msgs/msg/CarlaLaneInvasionEvent"),
    Topic("E/objects", "derived_object_msgs/msg/ObjectArray"),
    Topic("E/waypoints", "nav_msgs/msg/Path", LATCHED),
)
SUBSCRIBED = (
    Topic("E/vehicle_control_cmd", "carla_msgs/msg/CarlaEgoVehicleControl"),
    Topic("E/vehicle_control_cmd_manual", "carla_msgs/msg/CarlaEgoVehicleControl"),
    Topic("E/vehicle_control_manual_override", "std_msgs/msg/Bool", LATCHED),
    Topic("E/control/set_transform", "geometry_msgs/msg/Pose"),
    Topic("E/control/set_target_velocity", "geometry_msgs/msg/Twist"),
    Topic("E/goal", "geometry_msgs/msg/PoseStamped"),
    Topic("carla/control", "carla_msgs/msg/CarlaControl"),
    Topic("initialpose", "geometry_msgs/msg/PoseWithCovarianceStamped", optional=True),
)
SERVICES = {
    "carla/spawn_object": "carla_msgs/srv/SpawnObject",
    "carla/destroy_object": "carla_msgs/srv/DestroyObject",
    "carla/get_blueprints": "carla_msgs/srv/GetBlueprints",
}


def full(name: str, role: str) -> str:
    """``E/odometry`` -> ``carla/ego_vehicle/odometry``."""
    return f"carla/{role}/{name[2:]}" if name.startswith("E/") else name
