# SPDX-License-Identifier: Apache-2.0
"""The gate node: the only one that commands the vehicle. All decisions are those of :mod:`td3_driving.deploy.gate`."""

from __future__ import annotations

import math
import time
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import NoReturn

from carla_msgs.msg import CarlaEgoVehicleControl
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from td3_driving_msgs.msg import GateStatus, PolicyTick

from td3_driving.bounded import SettingsError
from td3_driving.deploy.gate import Gate
from td3_driving.deploy.gate_report import GateReport
from td3_driving.deploy.gate_types import CommandRequest, GateOutput, Instant, Mode
from td3_driving.deploy.limits import gate_settings
from td3_driving.driving import decoding, topics
from td3_driving.driving.action import Command
from td3_driving.nodes.ros import conversions, qos
from td3_driving.nodes.ros.camera_topic import CameraTopic, foreign_type
from td3_driving.nodes.ros.ending import Ending, await_arrival
from td3_driving.nodes.ros.entry import leave, run
from td3_driving.nodes.ros.fast_wait import FastWait
from td3_driving.nodes.ros.parameters import load_groups
from td3_driving.nodes.vehicle.ackermann import AckermannVehicle
from td3_driving.nodes.vehicle.autoware import AutowareVehicle
from td3_driving.nodes.vehicle.carla import CarlaVehicle
from td3_driving.nodes.vehicle.interface import Maker, VehicleInterface

INTERFACES: dict[str, Maker] = {
    "carla": CarlaVehicle,
    "autoware": AutowareVehicle,
    "ackermann": AckermannVehicle,
}
REFUSALS = (ValueError, OSError, ImportError)
"""Errors of bad settings and missing message packages: one sentence, exit code 2."""
TICKS_KEPT = 16
"""Timings of the policy kept until the command that they belong to has passed."""
OVERDUE = 0.2
"""Wall time after which services and reports are served even while a command is due [s]."""
NOT_KNOWN = (math.nan, math.nan)
NOTHING = Command(math.nan, math.nan, math.nan)


class GateNode(Node):
    """Passes inputs and time to :class:`Gate`, and its outputs to the vehicle."""

    def __init__(self) -> None:
        super().__init__("gate", automatically_declare_parameters_from_overrides=True)
        settings, own = load_groups(self, gate_settings, {"interface": "carla"})
        if own["interface"] not in INTERFACES:
            raise SettingsError(f"parameter interface: {own['interface']!r} is not one of {', '.join(INTERFACES)}")
        self._interface: str = own["interface"]
        self._simulated = bool(self.get_parameter("use_sim_time").value)
        self._vehicle: VehicleInterface = INTERFACES[self._interface](self, settings, self._on_control_mode)
        self._gate = Gate(settings, bool(self._vehicle.mode_topic))
        self._report = GateReport(self._gate)
        self._timings: OrderedDict[int, tuple[float, float]] = OrderedDict()
        self._mode: Mode | None = None
        self._command_arrived = 0.0
        self._period = 1.0 / settings.budget.rate
        self._policy_period = settings.budget.policy_period
        self._due = self._served_at = 0.0
        self._may_shift = True
        self._fast = self._wire()

    def _wire(self) -> FastWait:
        self._status = self.create_publisher(GateStatus, topics.GATE_STATUS, qos.STATUS)
        self._diagnostics = self.create_publisher(DiagnosticArray, topics.DIAGNOSTICS, qos.DIAGNOSTICS)
        subscribe = self.create_subscription
        self._odometry = subscribe(Odometry, topics.ODOMETRY, self._on_odometry, qos_profile_sensor_data)
        self._camera = CameraTopic(self, Image, topics.IMAGE, self._on_image, qos_profile_sensor_data)
        # The order is the order of service: persons, then sensors, then values derived from sensors.
        # An override is heard from every publisher, and from a latched one also if it came before the gate.
        # Best effort receives from reliable and from best-effort sensors.
        heard = self._heard = [
            subscribe(Bool, "manual/override", self._on_override, qos.BRIDGE),
            subscribe(Bool, "manual/override", self._on_override, qos.BRIDGE_LATCHED_ONE),
            subscribe(CarlaEgoVehicleControl, "manual/command", self._on_manual, qos.BRIDGE),
            self._odometry,
            self._camera.subscription,
            subscribe(CarlaEgoVehicleControl, topics.POLICY_COMMAND, self._on_command, qos.BRIDGE),
            subscribe(PolicyTick, topics.POLICY_TICK, self._on_policy_tick, qos.STATUS),
        ]
        asked = [
            self.create_service(Trigger, topics.GATE_RESET, self._on_reset),
            self.create_service(Trigger, topics.GATE_STOP, self._on_stop),
        ]
        self.create_timer(1.0, self._report_on_inputs, clock=Clock(clock_type=ClockType.STEADY_TIME))
        return FastWait(self.context, heard, asked)

    def _now(self) -> Instant:
        wall, clock_ns = time.monotonic(), self.get_clock().now().nanoseconds
        return Instant(clock_ns * 1e-9 if self._simulated else wall, clock_ns, wall)

    # Inputs.

    def _on_command(self, message: CarlaEgoVehicleControl) -> None:
        at = self._now()
        self._command_arrived = at.wall
        self._gate.on_command(_request(message), at)
        self._tick(at)
        if self._may_shift:
            # The next timed output falls between this command and the next and delays neither.
            self._due, self._may_shift = at.wall + self._period, False

    def _on_policy_tick(self, message: PolicyTick) -> None:
        stamp_ns = decoding.nanoseconds(message.sensor_stamp)
        self._timings[stamp_ns] = message.observation_ms, message.inference_ms
        while len(self._timings) > TICKS_KEPT:
            self._timings.popitem(last=False)

    def _on_image(self, message: Image | CompressedImage) -> None:
        fingerprint = zlib.crc32(memoryview(message.data))
        self._gate.on_camera(decoding.nanoseconds(message.header.stamp), fingerprint, self._now())

    def _on_odometry(self, message: Odometry) -> None:
        self._gate.on_odometry(decoding.vehicle_state(message), self._now())

    def _on_manual(self, message: CarlaEgoVehicleControl) -> None:
        at = self._now()
        self._gate.on_manual(_request(message), at)
        self._tick(at)

    def _on_override(self, message: Bool) -> None:
        self._gate.set_override(message.data)
        self._tick(self._now())

    def _on_control_mode(self, autonomous: bool, latched: bool) -> None:
        self._gate.on_control_mode(autonomous, self._now(), latched)

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.message = self._gate.reset(self._now())
        response.success = not response.message
        self.get_logger().info(f"reset: {response.message or 'done'}")
        return response

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._gate.stop("emergency stop asked for")
        self._tick(self._now())
        response.success, response.message = True, "stopping; gate/reset ends it"
        return response

    # Outputs.

    def _on_timer(self) -> None:
        self._gate.writers = self.count_publishers(self._vehicle.publisher.topic_name)
        if self._vehicle.mode_topic:
            self._gate.control_mode.reporters = self.count_publishers(self._vehicle.mode_topic)
        self._tick(self._now())

    def _tick(self, at: Instant) -> None:
        output = self._gate.tick(at)
        if output.command is not None:
            self._vehicle.publish(output, at.clock_ns)
        self._report.note(output, at)
        self._status.publish(self._status_message(output, at))
        if output.mode is not self._mode:
            self._mode = output.mode
            self._say(output)
            self._publish_diagnostics()

    def _say(self, output: GateOutput) -> None:
        text = f"{output.mode.name.lower().replace('_', ' ')}{': ' if output.reason else ''}{output.reason}"
        if output.mode in (Mode.COMFORTABLE_STOP, Mode.EMERGENCY_STOP):
            self.get_logger().error(text)
        else:
            self.get_logger().info(text)

    def _status_message(self, output: GateOutput, at: Instant) -> GateStatus:
        command = NOTHING if output.command is None else output.command
        message = GateStatus(
            header=conversions.header(at.clock_ns, self._interface),
            mode=int(output.mode),
            latched=output.latched,
            reason=output.reason,
            faults=[str(fault) for fault in output.faults],
            steer=command.steer,
            throttle=command.throttle,
            brake=command.brake,
            acceleration=output.acceleration,
            speed=output.speed,
            filters=list(output.filters),
            filtered_share=self._gate.filtered_share,
            command_age=self._gate.command.age(at),
            camera_age=self._gate.camera.age(at),
            odometry_age=self._gate.odometry.age(at),
            limits_hash=self._report.limits_hash,
        )
        self._fill_ages(message, output, at)
        return message

    def _fill_ages(self, message: GateStatus, output: GateOutput, at: Instant) -> None:
        message.age_ms = message.observation_ms = message.inference_ms = message.gate_ms = math.nan
        if output.request is None:
            return
        stamp_ns = output.request.stamp_ns
        message.sensor_stamp = conversions.time_message(stamp_ns)
        message.age_ms = (at.clock_ns - stamp_ns) * 1e-6
        message.observation_ms, message.inference_ms = self._timings.get(stamp_ns, NOT_KNOWN)
        message.gate_ms = (time.monotonic() - self._command_arrived) * 1e3

    def _report_on_inputs(self) -> None:
        self._gate.camera.hint = self._camera.adapt(self._heard)
        self._gate.odometry.hint = foreign_type(self, self._odometry)
        self._publish_diagnostics()

    def _publish_diagnostics(self) -> None:
        statuses = self._report.statuses(self._now())
        message = DiagnosticArray(status=[conversions.diagnostic_status(s, self._interface) for s in statuses])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def live(self) -> None:
        """Handle messages and time until a signal comes; the ROS context outlives it for the last command."""
        executor = SingleThreadedExecutor(context=self.context)
        executor.add_node(self)
        ending = Ending()
        ending.listen()
        self._due = time.monotonic()
        while self.context.ok() and not ending.asked:
            left = self._due - time.monotonic()
            if left > 0.0:
                self._listen(executor, left)
                continue
            self._due += self._period * (1 + int(-left / self._period))
            self._may_shift = True
            self._on_timer()
            if self._has_time():
                executor.spin_once(timeout_sec=0.0)
                self._served_at = time.monotonic()

    def _has_time(self) -> bool:
        """Return whether there is time for less urgent work: no command is due, or that work has waited for long."""
        now = time.monotonic()
        since = now - self._command_arrived
        expected = 0.5 * self._policy_period < since < 2.0 * self._policy_period
        return not expected or now - self._served_at > OVERDUE

    def _listen(self, executor: SingleThreadedExecutor, seconds: float) -> None:
        """Handle one message, or wait for one.

        Commands come without an executor; simulated time comes through one.
        """
        if self._simulated:
            executor.spin_once(timeout_sec=seconds)
        else:
            self._fast.once(seconds)

    def close(self) -> None:
        """Send a last command that stops even a vehicle which holds it for ever."""
        last = self._gate.farewell()
        if last is None or not self.context.ok():
            return
        self._vehicle.publish(last, self._now().clock_ns)
        await_arrival(self._vehicle.publisher)


def _request(message: CarlaEgoVehicleControl) -> CommandRequest:
    command = Command(throttle=message.throttle, brake=message.brake, steer=message.steer)
    return CommandRequest(command, decoding.nanoseconds(message.header.stamp), message.reverse)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of the executable ``gate``."""
    leave(run(GateNode, arguments, REFUSALS))


if __name__ == "__main__":
    main()
