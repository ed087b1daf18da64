# SPDX-License-Identifier: Apache-2.0
"""The drive node: a managed node that drives by a bundle, through onnxruntime and without torch.

It answers frames as the policy node of training does, see :mod:`td3_driving.nodes.ros.fast_wait`, and sends its
commands to the gate; only the gate commands the vehicle.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
from carla_msgs.msg import CarlaEgoVehicleControl
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from nav_msgs.msg import Path as PathMessage
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image
from td3_driving_msgs.msg import PolicyTick

from td3_driving.deploy.bundle import public_key
from td3_driving.deploy.bundle_archive import BundleError
from td3_driving.deploy.drive_report import DriveReport
from td3_driving.deploy.drive_settings import drive_settings
from td3_driving.deploy.driver import DeployedDriver, TimedFrame
from td3_driving.deploy.nearest import Pairing, pairing
from td3_driving.deploy.runtime import InferenceError, Loaded, load
from td3_driving.deploy.shadow import DriverInCharge
from td3_driving.driving import decoding, topics
from td3_driving.driving.action import FULL_STOP
from td3_driving.driving.decoding import action_of
from td3_driving.driving.image_formats import picture
from td3_driving.driving.observation import ObservationError
from td3_driving.driving.route import Route, RouteError
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.nodes.ros import conversions, qos
from td3_driving.nodes.ros.camera_topic import CameraTopic
from td3_driving.nodes.ros.ending import Ending, await_arrival
from td3_driving.nodes.ros.entry import RunEnd, leave, run
from td3_driving.nodes.ros.fast_wait import FastWait, Housekeeping
from td3_driving.nodes.ros.parameters import load_groups
from td3_driving.nodes.vehicle.bundle_swap import BundleSwap
from td3_driving.nodes.vehicle.policy_tick import tick_message

HOUSEKEEPING = 0.05
"""Wall time between two checks of services while frames keep coming [s]."""
OVERDUE = 0.2
"""Wall time after which they are checked even while a frame is incomplete [s]."""
SILENCE = 0.5
"""Wall time without a frame after which a loaded bundle is swapped in anyway [s]."""
REPORT_PERIOD = 1.0
"""Wall time between two reports on /diagnostics [s]."""
HARDWARE = "policy"
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class DriveNode(LifecycleNode):
    """Converts messages, lets :class:`DeployedDriver` decide, publishes its decisions."""

    def __init__(self) -> None:
        super().__init__("drive", automatically_declare_parameters_from_overrides=True)
        settings, _ = load_groups(self, drive_settings)
        self.settings = settings.drive
        self.refusal = ""
        self._driver: DeployedDriver | None = None
        self._sync: Pairing[TimedFrame] = pairing(1.0, 0.0)
        self._report = DriveReport(self.settings.threads, self.settings.shadow)
        self._driving = self._over = False
        self._house = Housekeeping(HOUSEKEEPING, OVERDUE)
        self._route: Route | None = None
        self._in_charge = DriverInCharge()
        self._held: tuple[PolicyTick, int] | None = None
        self._unanswered: tuple[TimedFrame, VehicleState] | None = None
        self._last_stamp_ns = 0
        self._reported_at = 0.0
        self._executor = SingleThreadedExecutor(context=self.context)
        self._wire()

    def _wire(self) -> None:
        self._command = self.create_publisher(CarlaEgoVehicleControl, topics.POLICY_COMMAND, qos.BRIDGE)
        self._tick = self.create_publisher(PolicyTick, topics.POLICY_TICK, qos.STATUS)
        self._diagnostics = self.create_publisher(DiagnosticArray, topics.DIAGNOSTICS, qos.DIAGNOSTICS)
        sensor = qos.BRIDGE if self.settings.sensor_qos == "reliable" else qos_profile_sensor_data
        self._camera = CameraTopic(self, Image, topics.IMAGE, self._on_image, sensor)
        fast = self._served = [
            self.create_subscription(PathMessage, topics.ROUTE, self._on_route, qos.BRIDGE_LATCHED),
            self._camera.subscription,
            self.create_subscription(Odometry, topics.ODOMETRY, self._on_odometry, sensor),
        ]
        if self.settings.shadow:
            topic = topics.COMMAND
            fast.insert(0, self.create_subscription(CarlaEgoVehicleControl, topic, self._on_command, qos.BRIDGE))
        self._fast = FastWait(self.context, fast, [])
        self._swap = BundleSwap(self, self._executor, self._load, lambda: self._driver, lambda: self._driving)
        self._executor.add_node(self)

    # Lifecycle.

    def live(self) -> None:
        """Answer frames as they come and everything else periodically, until a signal or the shutdown transition."""
        ending = Ending()
        ending.listen()
        if self.settings.autostart:
            self._start()
        while self.context.ok() and not ending.asked and not self._over:
            busy = self._driving and self._fast.once(HOUSEKEEPING)
            if self._house.due(busy):
                self._executor.spin_once(timeout_sec=0.0 if self._driving else HOUSEKEEPING)
                self._keep_house(time.monotonic())

    def _start(self) -> None:
        if self.trigger_configure() != SUCCESS or self.trigger_activate() != SUCCESS:
            raise RunEnd(2, self.refusal or "the node could not be activated")

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load and check the bundle, warm its network up."""
        try:
            loaded = self._load(self.settings.bundle)
        except BundleError as error:
            self.refusal = str(error)
            self.get_logger().error(f"not configured: {error}")
            return FAILURE
        self._driver = DeployedDriver(loaded)
        if self._route is not None:
            self._driver.take_route(self._route)
        self._sync = pairing(self._driver.contract.frame_time, self.settings.sync_tolerance)
        self.get_logger().info(f"configured: bundle {loaded.bundle.short}, signature {loaded.bundle.signed}")
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to answer frames; forget all earlier ones."""
        assert self._driver is not None
        # What waited while the bundle was loaded is too old to act on.
        self._fast.drain()
        self._driver.restart()
        self._sync.restart()
        self._in_charge.forget()
        self._held = self._unanswered = None
        self._driving = True
        self.get_logger().info("shadow: commands nothing" if self.settings.shadow else "driving")
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop answering frames; the last command stops the vehicle."""
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unload the bundle."""
        self._swap.hand_over()
        self._driver = None
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Deactivate, then end the process."""
        self._stop()
        self._over = True
        return super().on_shutdown(state)

    def close(self) -> None:
        """Send a last command that stops the vehicle, whatever ended the node."""
        if self.context.ok():
            self._stop()

    def _stop(self) -> None:
        if not self._driving:
            return
        self._driving = False
        if self.settings.shadow:
            return
        # A stamp later than the last command's, or the gate would not take it as new.
        stamp_ns = self._last_stamp_ns + 1 if self._last_stamp_ns else self._now_ns()
        self._command.publish(conversions.control_message(FULL_STOP, stamp_ns))
        await_arrival(self._command)

    # Inputs.

    def _on_route(self, message: PathMessage) -> None:
        try:
            self._route = Route(conversions.route_points(message))
        except RouteError as error:
            self.get_logger().error(f"route refused, going on with the last: {error}", throttle_duration_sec=1.0)
            return
        if self._driver is None:
            return
        self._driver.take_route(self._route)
        if self._unanswered is not None and self._driving:
            # The frame overtook its route; the sender may be waiting for the answer.
            self._driver.restart()
            self._on_frame(*self._unanswered)

    def _on_image(self, message: Image | CompressedImage) -> None:
        if self._driver is None or not self._driving:
            return
        try:
            timed_frame = self._driver.look(*picture(message))
        except ObservationError as error:
            self._refuse(f"unusable camera image: {error}")
            return
        pair = self._sync.add_image(decoding.nanoseconds(message.header.stamp), timed_frame)
        if pair is not None:
            self._on_frame(*pair)

    def _on_odometry(self, message: Odometry) -> None:
        if not self._driving:
            return
        vehicle = decoding.vehicle_state(message)
        pair = self._sync.add_state(vehicle.stamp_ns, vehicle)
        if pair is not None:
            self._on_frame(*pair)

    def _on_command(self, message: CarlaEgoVehicleControl) -> None:
        self._in_charge.hear(decoding.nanoseconds(message.header.stamp), action_of(message), time.monotonic())
        if self._held is not None and self._in_charge.answer_to(self._held[1]) is not None:
            self._publish_held()

    # One frame.

    def _on_frame(self, timed_frame: TimedFrame, vehicle: VehicleState) -> None:
        assert self._driver is not None
        self._swap.hand_over()
        self._publish_held()
        self._unanswered = None
        rollbacks = self._driver.rollbacks
        try:
            decision = self._driver.decide(timed_frame, vehicle, self._last_action(vehicle.stamp_ns))
        except (ObservationError, InferenceError) as error:
            self._unanswered = timed_frame, vehicle
            self._refuse(str(error))
            return
        if not self.settings.shadow:
            self._command.publish(conversions.control_message(decision.command, vehicle.stamp_ns))
        self._last_stamp_ns = vehicle.stamp_ns
        self._held = tick_message(decision, self._driver.loaded.bundle.short, self._now_ns()), vehicle.stamp_ns
        if not self.settings.shadow or self._in_charge.answer_to(vehicle.stamp_ns) is not None:
            self._publish_held()
        self._house.answered = True
        self._report.note(decision, time.monotonic())
        if self._driver.rollbacks > rollbacks:
            self.get_logger().error(f"bundle given up, {self._driver.loaded.bundle.short} drives again")

    def _last_action(self, stamp_ns: int) -> np.ndarray | None:
        """Return the last action; in shadow mode the driver in charge's, because that moved the vehicle."""
        return self._in_charge.before(stamp_ns, time.monotonic()) if self.settings.shadow else None

    def _publish_held(self) -> None:
        """Publish the held tick; in shadow mode with how far it lies from the other driver's command for its frame."""
        if self._held is None:
            return
        (tick, stamp_ns), self._held = self._held, None
        tick.shadow = self.settings.shadow
        other = self._in_charge.answer_to(stamp_ns) if tick.shadow else None
        if other is not None:
            tick.steer_deviation, tick.drive_deviation = tick.steer - float(other[0]), tick.drive - float(other[1])
        self._tick.publish(tick)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _refuse(self, reason: str) -> None:
        self._report.refuse(reason)
        self.get_logger().warning(f"frame not answered: {reason}", throttle_duration_sec=1.0)

    def _load(self, path: str) -> Loaded:
        if not path:
            raise BundleError("parameter drive.bundle names no bundle")
        key = public_key(Path(self.settings.public_key)) if self.settings.public_key else None
        return load(Path(path), key, self.settings.threads)

    # Independent of frames.

    def _keep_house(self, now: float) -> None:
        if self._swap.waiting and (self._report.last_at is None or now - self._report.last_at > SILENCE):
            self._swap.hand_over()
        if now - self._reported_at >= REPORT_PERIOD and self._driver is not None:
            self._reported_at = now
            self._publish_diagnostics(self._driver, now)

    def _publish_diagnostics(self, driver: DeployedDriver, now: float) -> None:
        for problem in self._camera.type_problems(self._served):
            self._report.reason = problem
            self.get_logger().error(problem, throttle_duration_sec=5.0)
        statuses = self._report.statuses(driver, self._sync.counts, self._driving, now)
        message = DiagnosticArray(status=[conversions.diagnostic_status(status, HARDWARE) for status in statuses])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of the executable ``drive``."""
    leave(run(DriveNode, arguments))


if __name__ == "__main__":
    main()
