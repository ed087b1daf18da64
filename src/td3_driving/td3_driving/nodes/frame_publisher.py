"""Publishes simulated frames on the topics of the CARLA bridge, in the bridge's order, while somebody listens."""

from __future__ import annotations

import array
from dataclasses import dataclass
from typing import Any

import numpy as np
from carla_msgs.msg import (
    CarlaActorList,
    CarlaCollisionEvent,
    CarlaEgoVehicleInfo,
    CarlaEgoVehicleStatus,
    CarlaLaneInvasionEvent,
    CarlaStatus,
    CarlaTrafficLightInfoList,
    CarlaTrafficLightStatusList,
    CarlaWorldInfo,
)
from nav_msgs.msg import Odometry, Path
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, Imu, NavSatFix
from std_msgs.msg import Float32, String
from visualization_msgs.msg import MarkerArray

from td3_driving.nodes import bridge_messages as convert
from td3_driving.nodes import bridge_objects, qos
from td3_driving.nodes.conversions import header, time_message
from td3_driving.nodes.optional_messages import message
from td3_driving.settings import SimulatorSettings
from td3_driving.sim.camera import MOUNT_X, MOUNT_Z, Camera
from td3_driving.sim.traffic import CLASSES
from td3_driving.sim.world import Frame, World

EGO = "carla/ego_vehicle"
BLUEPRINTS = tuple(name for name, *_ in CLASSES)


@dataclass(slots=True)
class Outlet:
    """A publisher and whether anybody listened when that was last looked up."""

    publisher: Any
    heard: bool = False


class FramePublisher:
    """One publisher for each topic of the bridge.

    Args:
        node: owner of the publishers.
        settings: image size, field of view, step.
        world: what is published.
        camera: renders the image.

    Raises:
        MissingPackageError: a package with message definitions is not installed.
    """

    def __init__(self, node: Node, settings: SimulatorSettings, world: World, camera: Camera) -> None:
        self._settings, self._world, self._camera = settings, world, camera
        self._objects = bridge_objects.ObjectLists(world.parameters)
        self._tf_message = message("tf2_msgs", "TFMessage")
        self._outlets: dict[str, Outlet] = {}
        self._wire(node)
        self._odometry = Odometry()
        self._camera_info = convert.camera_info(settings.camera_width, settings.camera_height, settings.camera_fov)
        self._image = self._blank_image()
        self._pixels = np.frombuffer(self._image.data, dtype=np.uint8).reshape(
            settings.camera_height, settings.camera_width, 4
        )
        self._held_back: Image | None = None

    def _wire(self, node: Node) -> None:
        topics: tuple[tuple[str, Any, QoSProfile], ...] = (
            ("carla/status", CarlaStatus, qos.BRIDGE),
            ("clock", Clock, qos.BRIDGE),
            ("carla/world_info", CarlaWorldInfo, qos.BRIDGE_LATCHED),
            ("carla/map", String, qos.BRIDGE_LATCHED),
            ("carla/objects", message("derived_object_msgs", "ObjectArray"), qos.BRIDGE),
            ("carla/actor_list", CarlaActorList, qos.BRIDGE),
            ("carla/markers", MarkerArray, qos.BRIDGE),
            ("carla/markers/static", MarkerArray, qos.BRIDGE_LATCHED_ONE),
            ("carla/traffic_lights/status", CarlaTrafficLightStatusList, qos.BRIDGE_LATCHED),
            ("carla/traffic_lights/info", CarlaTrafficLightInfoList, qos.BRIDGE_LATCHED),
            (f"{EGO}/vehicle_status", CarlaEgoVehicleStatus, qos.BRIDGE),
            (f"{EGO}/vehicle_info", CarlaEgoVehicleInfo, qos.BRIDGE_LATCHED),
            ("tf", self._tf_message, qos.TF),
            (f"{EGO}/rgb_front/camera_info", CameraInfo, qos.BRIDGE),
            (f"{EGO}/rgb_front/image", Image, qos.BRIDGE),
            (f"{EGO}/imu", Imu, qos.BRIDGE),
            (f"{EGO}/gnss", NavSatFix, qos.BRIDGE),
            (f"{EGO}/collision", CarlaCollisionEvent, qos.BRIDGE),
            (f"{EGO}/lane_invasion", CarlaLaneInvasionEvent, qos.BRIDGE),
            (f"{EGO}/objects", message("derived_object_msgs", "ObjectArray"), qos.BRIDGE),
            (f"{EGO}/odometry", Odometry, qos.BRIDGE),
            (f"{EGO}/speedometer", Float32, qos.BRIDGE),
            (f"{EGO}/waypoints", Path, qos.BRIDGE_LATCHED_ONE),
        )
        for name, kind, profile in topics:
            self._outlets[name] = Outlet(node.create_publisher(kind, name, profile))

    def _blank_image(self) -> Image:
        width, height = self._settings.camera_width, self._settings.camera_height
        data = array.array("B", bytes(4 * width * height))
        return Image(width=width, height=height, step=4 * width, encoding="bgra8", data=data)

    def look_for_listeners(self) -> None:
        """Look up who listens; so rarely that it costs nothing, so often that a newcomer does not notice."""
        for outlet in self._outlets.values():
            outlet.heard = outlet.publisher.get_subscription_count() > 0

    def _heard(self, name: str) -> bool:
        return self._outlets[name].heard

    def _send(self, name: str, filled: Any) -> None:
        self._outlets[name].publisher.publish(filled)

    def publish_once(self, stamp_ns: int) -> None:
        """What the bridge says once: the map, the vehicle, the traffic lights (there are none)."""
        roads = self._world.roads
        self._send("carla/world_info", CarlaWorldInfo(map_name=f"Carla/Maps/{roads.name}", opendrive=roads.opendrive))
        self._send("carla/map", String(data=roads.opendrive))
        self._send("carla/markers/static", bridge_objects.road_markers(roads, stamp_ns))
        self._send("carla/traffic_lights/status", CarlaTrafficLightStatusList())
        self._send("carla/traffic_lights/info", CarlaTrafficLightInfoList())
        self._send(f"{EGO}/vehicle_info", convert.vehicle_info(self._world.parameters))

    def publish_status(self, frame_number: int, running: bool) -> None:
        """Frame number and whether the simulation runs."""
        status = CarlaStatus(frame=frame_number, synchronous_mode=True, synchronous_mode_running=running)
        status.fixed_delta_seconds = self._settings.fixed_delta
        self._send("carla/status", status)

    def publish_route(self, route: np.ndarray, stamp_ns: int) -> Path:
        """The route, for those who listen now and later; the message is returned."""
        path = convert.path(route, stamp_ns)
        self._send(f"{EGO}/waypoints", path)
        return path

    def publish(self, frame: Frame, faults: frozenset[str]) -> None:
        """One frame, in the bridge's order; ``faults`` as in :mod:`td3_driving.sim.faults`."""
        stamp_ns = frame.ego.stamp_ns
        if self._heard("carla/status"):
            self.publish_status(frame.number, running=True)
        if self._heard("clock"):
            self._send("clock", Clock(clock=time_message(stamp_ns)))
        self._publish_world(frame)
        if self._heard(f"{EGO}/vehicle_status"):
            self._send(f"{EGO}/vehicle_status", convert.vehicle_status(frame))
        self._publish_camera(frame, faults)
        self._publish_sensors(frame)
        self._publish_motion(frame, faults)

    def _publish_world(self, frame: Frame) -> None:
        if self._heard("carla/objects") or self._heard(f"{EGO}/objects"):
            self._objects.update(frame)
        if self._heard("carla/objects"):
            self._send("carla/objects", self._objects.all(frame))
        if self._heard("carla/actor_list"):
            self._send("carla/actor_list", CarlaActorList(actors=convert.actors(frame, BLUEPRINTS)))
        if self._heard("carla/markers"):
            self._send("carla/markers", bridge_objects.markers(frame, self._world.parameters))

    def _publish_camera(self, frame: Frame, faults: frozenset[str]) -> None:
        stamped = header(frame.ego.stamp_ns, convert.CAMERA_FRAME)
        self._publish_mount(frame, "rgb_front", MOUNT_X, MOUNT_Z, optical=True)
        if self._heard(f"{EGO}/rgb_front/camera_info"):
            self._camera_info.header = stamped
            self._send(f"{EGO}/rgb_front/camera_info", self._camera_info)
        if not self._heard(f"{EGO}/rgb_front/image"):
            return
        if "frozen_camera" not in faults:
            self._pixels[:] = self._camera.render(frame.ego, frame.vehicles)
        self._image.header = stamped
        if self._held_back is not None:
            self._send(f"{EGO}/rgb_front/image", self._held_back)
            self._held_back = None
        if "delayed_camera" in faults:
            self._held_back = self._blank_image()
            self._held_back.header, self._held_back.data = stamped, array.array("B", self._image.data)
        else:
            self._send(f"{EGO}/rgb_front/image", self._image)

    def _publish_mount(self, frame: Frame, sensor: str, x: float, z: float, optical: bool = False) -> None:
        if self._heard("tf"):
            transform = convert.mount_transform(frame.ego.stamp_ns, sensor, x, z, optical)
            self._send("tf", self._tf_message(transforms=[transform]))

    def _publish_sensors(self, frame: Frame) -> None:
        for sensor, fill in (("imu", convert.imu), ("gnss", convert.gnss)):
            self._publish_mount(frame, sensor, 0.0, 0.0)
            if self._heard(f"{EGO}/{sensor}"):
                self._send(f"{EGO}/{sensor}", fill(frame))
        for contact in frame.collisions:
            self._publish_mount(frame, "collision", 0.0, 0.0)
            self._send(f"{EGO}/collision", convert.collision(contact, frame.ego.stamp_ns))
        if frame.lane_invasions:
            self._publish_mount(frame, "lane_invasion", 0.0, 0.0)
            self._send(f"{EGO}/lane_invasion", convert.lane_invasion(frame))

    def _publish_motion(self, frame: Frame, faults: frozenset[str]) -> None:
        if self._heard("tf"):
            self._send("tf", self._tf_message(transforms=[convert.vehicle_transform(frame)]))
        if self._heard(f"{EGO}/objects"):
            self._send(f"{EGO}/objects", self._objects.others(frame))
        if self._heard(f"{EGO}/odometry"):
            filled = convert.odometry(self._odometry, frame)
            self._send(f"{EGO}/odometry", convert.spoil(filled) if "nan_odometry" in faults else filled)
        if self._heard(f"{EGO}/speedometer"):
            self._send(f"{EGO}/speedometer", Float32(data=float(frame.ego.speed)))
