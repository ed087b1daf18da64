# SPDX-License-Identifier: Apache-2.0
"""A small CARLA bridge: the genuine client on one side, the topics that a training needs on the other.

It stands in the place of ``carla_ros_bridge`` where that is not at hand. It owns the world's time, spawns the ego with
its sensors, publishes each frame, and waits up to a second for the command that answers it, as the published one does.
A server that dies ends it; a server that freezes freezes it.
"""

from __future__ import annotations

import math
import os
import queue
import sys
import traceback
from threading import Event, Thread
from typing import Any

import carla
import rclpy
from carla_msgs.msg import (
    CarlaCollisionEvent,
    CarlaEgoVehicleControl,
    CarlaEgoVehicleStatus,
    CarlaLaneInvasionEvent,
    CarlaStatus,
)
from derived_object_msgs.msg import Object, ObjectArray
from geometry_msgs.msg import Pose, Twist
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Bool

from td3_driving.driving import topics
from td3_driving.driving.topics import EGO
from td3_driving.nodes.bridge.messages import camera_info, yaw_of
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.conversions import MAP_FRAME, VEHICLE_FRAME, header, pose, quaternion

WAIT = 1.0
"""Longest wait for a command [s]."""
MANAGER_PORT = 8000
EYE = carla.Transform(carla.Location(2.0, 0.0, 2.0))


class Ego:
    """The ego on the server, and what its sensors have sent.

    Attributes:
        contacts, crossings: events that have not been published.
    """

    def __init__(self, world: Any, width: int, height: int) -> None:
        self._library, self._world = world.get_blueprint_library(), world
        self._sensors: list[Any] = []
        place = world.get_map().get_spawn_points()[0]
        self.car = self._spawn("vehicle.tesla.model3", "ego_vehicle", place)
        size = {"image_size_x": str(width), "image_size_y": str(height)}
        self._images: queue.Queue[Any] = queue.Queue()
        self._listen("sensor.camera.rgb", "rgb_front", self._images, EYE, **size)
        self.contacts: queue.Queue[Any] = queue.Queue()
        self._listen("sensor.other.collision", "collision", self.contacts)
        self.crossings: queue.Queue[Any] = queue.Queue()
        self._listen("sensor.other.lane_invasion", "lane_invasion", self.crossings)

    def image(self, frame: int) -> Any:
        """The image of a frame; what is older is thrown away."""
        while (image := self._images.get(timeout=60.0)).frame < frame:
            pass
        return image

    def _spawn(self, kind: str, role: str, place: Any, parent: Any = None, **attributes: str) -> Any:
        blueprint = self._library.find(kind)
        for name, value in {"role_name": role, **attributes}.items():
            blueprint.set_attribute(name, value)
        return self._world.spawn_actor(blueprint, place, attach_to=parent)

    def _listen(self, kind: str, role: str, heard: queue.Queue[Any], place: Any = None, **attributes: str) -> None:
        sensor = self._spawn(kind, role, place or carla.Transform(), self.car, **attributes)
        sensor.listen(heard.put)
        self._sensors.append(sensor)


class LineBridge(Node):
    """Topics in the axes of ROS: y to the left, headings anticlockwise."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__("carla_ros_bridge", automatically_declare_parameters_from_overrides=True)
        self._client = carla.Client(self._given("host"), self._given("port"))
        self._client.set_timeout(float(self._given("timeout")))
        self._world = self._client.get_world()
        settings = self._world.get_settings()
        settings.synchronous_mode, settings.fixed_delta_seconds = True, self._given("fixed_delta_seconds")
        self._world.apply_settings(settings)
        self._delta, self._size = float(settings.fixed_delta_seconds), (width, height)
        self._ego = Ego(self._world, width, height)
        self._answered = Event()
        self._status = self.create_publisher(CarlaStatus, topics.BRIDGE_STATUS, qos.BRIDGE)
        self._vehicle = self.create_publisher(CarlaEgoVehicleStatus, f"{EGO}/vehicle_status", qos.BRIDGE)
        self._info = self.create_publisher(CameraInfo, topics.CAMERA_INFO, qos.BRIDGE)
        self._image = self.create_publisher(Image, topics.IMAGE, qos.BRIDGE)
        self._objects = self.create_publisher(ObjectArray, topics.OBJECTS, qos.BRIDGE)
        self._odometry = self.create_publisher(Odometry, topics.ODOMETRY, qos.BRIDGE)
        self._collision = self.create_publisher(CarlaCollisionEvent, topics.COLLISION, qos.BRIDGE)
        self._invasion = self.create_publisher(CarlaLaneInvasionEvent, topics.LANE_INVASION, qos.BRIDGE)
        self.create_subscription(CarlaEgoVehicleControl, topics.COMMAND, self._on_command, qos.BRIDGE)
        self.create_subscription(Pose, f"{EGO}/control/set_transform", self._on_transform, qos.BRIDGE)
        self.create_subscription(Twist, f"{EGO}/control/set_target_velocity", self._on_velocity, qos.BRIDGE)
        self.create_subscription(Bool, f"{EGO}/enable_autopilot", self._on_autopilot, qos.BRIDGE)

    def _given(self, name: str) -> Any:
        return self.get_parameter(name).value

    def live(self) -> None:
        """Make frames until the server fails or the context ends."""
        executor = SingleThreadedExecutor(context=self.context)
        executor.add_node(self)
        Thread(target=executor.spin, daemon=True).start()
        while self.context.ok():
            self._answered.clear()
            self._publish(self._world.tick())
            self._answered.wait(WAIT)

    def _publish(self, frame: int) -> None:
        snapshot = self._world.get_snapshot()
        stamp = int(snapshot.timestamp.elapsed_seconds * 1e9)
        status = CarlaStatus(frame=frame, fixed_delta_seconds=self._delta, synchronous_mode=True)
        status.synchronous_mode_running = True
        self._status.publish(status)
        self._publish_events(stamp)
        self._publish_image(stamp, self._ego.image(frame))
        self._objects.publish(self._others(stamp, snapshot))
        ego = snapshot.find(self._ego.car.id)
        self._vehicle.publish(
            CarlaEgoVehicleStatus(header=header(stamp, MAP_FRAME), velocity=ego.get_velocity().length())
        )
        self._odometry.publish(_odometry(stamp, ego))

    def _publish_image(self, stamp: int, image: Any) -> None:
        stamped = header(stamp, f"{VEHICLE_FRAME}/rgb_front")
        width, height = self._size
        told = camera_info(width, height, 90.0)
        told.header = stamped
        self._info.publish(told)
        message = Image(header=stamped, width=width, height=height, step=4 * width, encoding="bgra8")
        message.data = bytes(image.raw_data)
        self._image.publish(message)

    def _publish_events(self, stamp: int) -> None:
        while not self._ego.contacts.empty():
            contact = self._ego.contacts.get()
            event = CarlaCollisionEvent(header=header(stamp, f"{VEHICLE_FRAME}/collision"))
            event.other_actor_id = contact.other_actor.id if contact.other_actor else 0
            event.normal_impulse.x = contact.normal_impulse.x
            event.normal_impulse.y = contact.normal_impulse.y
            self._collision.publish(event)
        while not self._ego.crossings.empty():
            crossing = self._ego.crossings.get()
            kinds = [int(marking.type) for marking in crossing.crossed_lane_markings]
            event = CarlaLaneInvasionEvent(header=header(stamp, f"{VEHICLE_FRAME}/lane_invasion"))
            event.crossed_lane_markings = kinds
            self._invasion.publish(event)

    def _others(self, stamp: int, snapshot: Any) -> ObjectArray:
        found = ObjectArray(header=header(stamp, MAP_FRAME))
        for actor in self._world.get_actors().filter("vehicle.*"):
            seen = snapshot.find(actor.id)
            if actor.id == self._ego.car.id or seen is None:
                continue
            size, at, speed = actor.bounding_box.extent, seen.get_transform(), seen.get_velocity()
            thing = Object(header=header(stamp, MAP_FRAME), id=actor.id, classification=Object.CLASSIFICATION_CAR)
            thing.pose = pose(at.location.x, -at.location.y, -math.radians(at.rotation.yaw))
            thing.twist.linear.x, thing.twist.linear.y = speed.x, -speed.y
            thing.shape.type, thing.shape.dimensions = 1, [2.0 * size.x, 2.0 * size.y, 2.0 * size.z]
            found.objects.append(thing)
        return found

    def _on_command(self, message: CarlaEgoVehicleControl) -> None:
        self._ego.car.apply_control(
            carla.VehicleControl(message.throttle, message.steer, message.brake, message.hand_brake, message.reverse)
        )
        self._answered.set()

    def _on_transform(self, message: Pose) -> None:
        at = carla.Location(message.position.x, -message.position.y, message.position.z)
        self._ego.car.set_transform(carla.Transform(at, carla.Rotation(yaw=-math.degrees(yaw_of(message.orientation)))))

    def _on_velocity(self, message: Twist) -> None:
        ahead = self._ego.car.get_transform().get_forward_vector()
        self._ego.car.set_target_velocity(ahead * message.linear.x)

    def _on_autopilot(self, message: Bool) -> None:
        self._client.get_trafficmanager(MANAGER_PORT)
        self._ego.car.set_autopilot(message.data, MANAGER_PORT)


def _odometry(stamp: int, ego: Any) -> Odometry:
    """Pose in the map, twist in the vehicle's axes."""
    at, velocity = ego.get_transform(), ego.get_velocity()
    yaw = -math.radians(at.rotation.yaw)
    message = Odometry(header=header(stamp, MAP_FRAME), child_frame_id=VEHICLE_FRAME)
    message.pose.pose.position.x, message.pose.pose.position.y = at.location.x, -at.location.y
    message.pose.pose.position.z = at.location.z
    message.pose.pose.orientation = quaternion(yaw)
    message.twist.twist.linear.x = velocity.x * math.cos(yaw) - velocity.y * math.sin(yaw)
    message.twist.twist.linear.y = -velocity.x * math.sin(yaw) - velocity.y * math.cos(yaw)
    message.twist.twist.angular.z = -math.radians(ego.get_angular_velocity().z)
    return message


def main(width: int, height: int) -> None:
    """Be a bridge; the sizes are those of the camera [px]."""
    rclpy.init()
    try:
        LineBridge(width, height).live()
    except (RuntimeError, queue.Empty):
        traceback.print_exc()
        # Threads of the client would keep the process alive.
        os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
