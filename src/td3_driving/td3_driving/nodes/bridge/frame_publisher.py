# SPDX-License-Identifier: Apache-2.0
"""Publishes simulated frames on the topics of the CARLA bridge, in its order, while they have subscribers."""

from __future__ import annotations

import array
from dataclasses import dataclass
from functools import partial
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
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, Imu, NavSatFix
from std_msgs.msg import Float32, String
from td3_driving_msgs.msg import PolicyFrame
from visualization_msgs.msg import MarkerArray

from td3_driving.driving import topics
from td3_driving.driving.topics import EGO
from td3_driving.nodes.bridge import messages as convert
from td3_driving.nodes.bridge import objects as bridge_objects
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.conversions import VEHICLE_FRAME, header, time_message
from td3_driving.nodes.ros.optional_messages import message
from td3_driving.nodes.ros.sealed import Trust
from td3_driving.settings import SimulatorSettings
from td3_driving.sim.camera import Camera
from td3_driving.sim.camera_rig import CameraRig
from td3_driving.sim.traffic import CLASSES
from td3_driving.sim.world import World, WorldFrame

BLUEPRINTS = tuple(name for name, *_ in CLASSES)


@dataclass(slots=True)
class Outlet:
    """A publisher, and whether it had subscribers at the last check."""

    publisher: Any
    heard: bool = False


class CameraMessages:
    """The messages of one camera, filled anew with every frame.

    Attributes:
        name: of the sensor; topic, info_topic: of its images, and of what belongs to them.
        held_back: the image that the fault ``delayed_camera`` keeps for the next frame.
    """

    def __init__(self, camera: Camera, fov: float) -> None:
        self.camera = camera
        self.name = camera.place.name
        self.topic, self.info_topic = topics.image_of(self.name), topics.camera_info_of(self.name)
        self.info = convert.camera_info(camera.width, camera.height, fov)
        self.image = self.blank()
        self.held_back: Image | None = None
        self._pixels = np.frombuffer(self.image.data, dtype=np.uint8).reshape(camera.height, camera.width, 4)
        self._exposed = -1

    def blank(self) -> Image:
        """A black image."""
        width, height = self.camera.width, self.camera.height
        data = array.array("B", bytes(4 * width * height))
        return Image(width=width, height=height, step=4 * width, encoding="bgra8", data=data)

    def expose(self, frame: WorldFrame) -> None:
        """Let the camera take its picture of ``frame``, once."""
        if self._exposed != frame.number:
            self.camera.expose(frame.ego, frame.vehicles)
            self._exposed = frame.number

    def render(self, frame: WorldFrame) -> None:
        """Put the camera's picture of ``frame`` into :attr:`image`."""
        self.expose(frame)
        self._pixels[:] = self.camera.image()

    def copy(self) -> Image:
        """Return a copy of :attr:`image`."""
        copied = self.blank()
        copied.header, copied.data = self.image.header, array.array("B", self.image.data)
        return copied


class FramePublisher:
    """One publisher for each topic of the bridge.

    Args:
        node: owner of the publishers.
        settings: image size, field of view, step.
        world: what is published.
        rig: renders the images, and makes the policy's frame of them.
        trust: seals the policy's frame.

    Raises:
        MissingPackageError: a package with message definitions is not installed.
    """

    def __init__(self, node: Node, settings: SimulatorSettings, world: World, rig: CameraRig, trust: Trust) -> None:
        self._settings, self._world, self._rig = settings, world, rig
        self._cameras = [CameraMessages(camera, settings.camera_fov) for camera in rig.cameras]
        self._objects = bridge_objects.ObjectLists(world.parameters)
        self._tf_message = message("tf2_msgs", "TFMessage")
        self._outlets: dict[str, Outlet] = {}
        self._wire(node)
        self._frame = trust.sealed_publisher(PolicyFrame, topics.FRAME, qos.BRIDGE)
        self._outlets[topics.FRAME] = Outlet(self._frame.plain)
        self._odometry = Odometry()

    def _wire(self, node: Node) -> None:
        rows: tuple[tuple[str, Any, QoSProfile], ...] = (
            (topics.BRIDGE_STATUS, CarlaStatus, qos.BRIDGE),
            ("clock", Clock, qos.BRIDGE),
            ("carla/world_info", CarlaWorldInfo, qos.BRIDGE_LATCHED),
            ("carla/map", String, qos.BRIDGE_LATCHED),
            (topics.ALL_OBJECTS, message("derived_object_msgs", "ObjectArray"), qos.BRIDGE),
            ("carla/actor_list", CarlaActorList, qos.BRIDGE),
            ("carla/markers", MarkerArray, qos.BRIDGE),
            ("carla/markers/static", MarkerArray, qos.BRIDGE_LATCHED_ONE),
            ("carla/traffic_lights/status", CarlaTrafficLightStatusList, qos.BRIDGE_LATCHED),
            ("carla/traffic_lights/info", CarlaTrafficLightInfoList, qos.BRIDGE_LATCHED),
            (f"{EGO}/vehicle_status", CarlaEgoVehicleStatus, qos.BRIDGE),
            (f"{EGO}/vehicle_info", CarlaEgoVehicleInfo, qos.BRIDGE_LATCHED),
            ("tf", self._tf_message, qos.TF),
            (topics.CAMERA_INFO, CameraInfo, qos.BRIDGE),
            (topics.IMAGE, Image, qos.BRIDGE),
            *((camera.info_topic, CameraInfo, qos.BRIDGE) for camera in self._cameras[1:]),
            *((camera.topic, Image, qos.BRIDGE) for camera in self._cameras[1:]),
            (f"{EGO}/imu", Imu, qos.BRIDGE),
            (f"{EGO}/gnss", NavSatFix, qos.BRIDGE),
            (topics.COLLISION, CarlaCollisionEvent, qos.BRIDGE),
            (topics.LANE_INVASION, CarlaLaneInvasionEvent, qos.BRIDGE),
            (topics.OBJECTS, message("derived_object_msgs", "ObjectArray"), qos.BRIDGE),
            (topics.ODOMETRY, Odometry, qos.BRIDGE),
            (f"{EGO}/speedometer", Float32, qos.BRIDGE),
            (topics.ROUTE, Path, qos.BRIDGE_LATCHED_ONE),
        )
        for name, kind, profile in rows:
            self._outlets[name] = Outlet(node.create_publisher(kind, name, profile))

    def look_for_listeners(self) -> None:
        """Check which topics have subscribers: rarely enough to cost nothing, often enough for new subscribers."""
        for outlet in self._outlets.values():
            outlet.heard = outlet.publisher.get_subscription_count() > 0

    def _heard(self, name: str) -> bool:
        return self._outlets[name].heard

    def _send(self, name: str, filled: Any) -> None:
        self._outlets[name].publisher.publish(filled)

    def publish_once(self, stamp_ns: int) -> None:
        """Publish what the bridge publishes once: the map, the vehicle, the traffic lights (none)."""
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
        self._send(topics.BRIDGE_STATUS, status)

    def publish_route(self, route: NDArray[np.float64], stamp_ns: int) -> Path:
        """Publish and return the route, latched for late subscribers."""
        path = convert.path(route, stamp_ns)
        self._send(topics.ROUTE, path)
        return path

    def publish(self, frame: WorldFrame, faults: frozenset[str]) -> None:
        """One frame, in the bridge's order; ``faults`` as in :mod:`td3_driving.sim.faults`.

        The policy of the run goes first: it computes while the other topics are filled.
        """
        stamp_ns = frame.ego.stamp_ns
        if self._heard(topics.FRAME):
            for camera in self._cameras:
                camera.expose(frame)
            neighbours = self._objects.neighbours(frame)
            self._frame.publish(convert.policy_frame(frame, self._rig.exposed_frame(), neighbours))
        if self._heard(topics.BRIDGE_STATUS):
            self.publish_status(frame.number, running=True)
        if self._heard("clock"):
            self._send("clock", Clock(clock=time_message(stamp_ns)))
        self._publish_world(frame)
        if self._heard(f"{EGO}/vehicle_status"):
            self._send(f"{EGO}/vehicle_status", convert.vehicle_status(frame))
        for camera in self._cameras:
            self._publish_camera(camera, frame, faults)
        self._publish_sensors(frame)
        self._publish_motion(frame, faults)

    def _publish_world(self, frame: WorldFrame) -> None:
        if self._heard(topics.ALL_OBJECTS) or self._heard(topics.OBJECTS):
            self._objects.update(frame)
        if self._heard(topics.ALL_OBJECTS):
            self._send(topics.ALL_OBJECTS, self._objects.all(frame))
        if self._heard("carla/actor_list"):
            self._send("carla/actor_list", CarlaActorList(actors=convert.actors(frame, BLUEPRINTS)))
        if self._heard("carla/markers"):
            self._send("carla/markers", bridge_objects.markers(frame, self._world.parameters))

    def _publish_camera(self, camera: CameraMessages, frame: WorldFrame, faults: frozenset[str]) -> None:
        stamped = header(frame.ego.stamp_ns, f"{VEHICLE_FRAME}/{camera.name}")
        if self._heard("tf"):
            transform = convert.camera_transform(frame.ego.stamp_ns, camera.camera.place)
            self._send("tf", self._tf_message(transforms=[transform]))
        if self._heard(camera.info_topic):
            camera.info.header = stamped
            self._send(camera.info_topic, camera.info)
        if not self._heard(camera.topic):
            return
        if "frozen_camera" not in faults:
            camera.render(frame)
        camera.image.header = stamped
        if camera.held_back is not None:
            self._send(camera.topic, camera.held_back)
            camera.held_back = None
        if "delayed_camera" in faults:
            camera.held_back = camera.copy()
        else:
            self._send(camera.topic, camera.image)

    def _publish_mount(self, frame: WorldFrame, sensor: str) -> None:
        if self._heard("tf"):
            transform = convert.mount_transform(frame.ego.stamp_ns, sensor)
            self._send("tf", self._tf_message(transforms=[transform]))

    def _publish_sensors(self, frame: WorldFrame) -> None:
        position = partial(convert.gnss, offset=self._world.roads.offset)
        for sensor, fill in (("imu", convert.imu), ("gnss", position)):
            self._publish_mount(frame, sensor)
            if self._heard(f"{EGO}/{sensor}"):
                self._send(f"{EGO}/{sensor}", fill(frame))
        for contact in frame.collisions:
            self._publish_mount(frame, "collision")
            self._send(topics.COLLISION, convert.collision(contact, frame.ego.stamp_ns))
        if frame.lane_invasions:
            self._publish_mount(frame, "lane_invasion")
            self._send(topics.LANE_INVASION, convert.lane_invasion(frame))

    def _publish_motion(self, frame: WorldFrame, faults: frozenset[str]) -> None:
        if self._heard("tf"):
            self._send("tf", self._tf_message(transforms=[convert.vehicle_transform(frame)]))
        if self._heard(topics.OBJECTS):
            self._send(topics.OBJECTS, self._objects.others(frame))
        if self._heard(topics.ODOMETRY):
            filled = convert.odometry(self._odometry, frame)
            self._send(topics.ODOMETRY, convert.spoil(filled) if "nan_odometry" in faults else filled)
        if self._heard(f"{EGO}/speedometer"):
            self._send(f"{EGO}/speedometer", Float32(data=float(frame.ego.speed)))
