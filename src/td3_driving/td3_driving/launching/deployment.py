# SPDX-License-Identifier: Apache-2.0
"""The processes on a vehicle: the drive node and the gate. Every starter reads this description."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from td3_driving.deploy.drive_settings import drive_settings
from td3_driving.driving import topics
from td3_driving.launching.node_table import ProcessSpec, live_page
from td3_driving.live.needs import require_sdk
from td3_driving.settings import Scalar

CAMERA, ODOMETRY, ROUTE, IN_CHARGE = topics.IMAGE, topics.ODOMETRY, topics.ROUTE, topics.COMMAND
"""The nodes' names of their inputs: those of the CARLA bridge."""
COMMANDS = {
    "carla": topics.COMMAND,
    "autoware": topics.AUTOWARE_COMMAND,
    "ackermann": topics.ACKERMANN_COMMAND,
}
"""Interface -> the gate's name of its output."""
INTERFACES = tuple(COMMANDS)
USUAL = {
    "carla": {},
    "autoware": {"camera": "sensing/camera/camera0/image_rect_color", "odometry": "localization/kinematic_state"},
    "ackermann": {"camera": "camera/image_raw", "odometry": "odom"},
}
"""Interface -> usual topics of the inputs on such a vehicle."""
ROLES = ("camera", "odometry", "route", "command")
SENSOR_QOS = ("best_effort", "reliable")
NAME = re.compile(r"(~?/)?[A-Za-z_{][A-Za-z0-9_{}]*(/[A-Za-z_{][A-Za-z0-9_{}]*)*")
"""Names of topics and namespaces that rcl takes."""


@dataclass(frozen=True)
class DeployOptions:
    """The options that decide which processes a vehicle has.

    Attributes:
        bundle: the policy.
        interface: kind of vehicle that the gate commands.
        shadow: the policy only observes another driver; no gate is started, because there are no commands to pass.
        namespace: ROS namespace of both nodes.
        public_key: PEM file; when given, the bundle must be signed for it.
        params_file: ROS 2 parameter file with sections ``gate:`` and ``drive:``; "" for none.
        threads: CPU threads of the network.
        sensor_qos: reliability that the policy asks of camera and odometry.
        sync_tolerance: 0 where image and odometry share their stamps, else how far apart they may be [s].
        use_sim_time: take the time from ``/clock``.
        autostart: the policy configures and activates itself; without, a lifecycle manager does.
        view: show the drive on a live page in the browser.
        topics: role (:data:`ROLES`) -> topic of the vehicle, where it is not the usual one.
    """

    bundle: Path
    interface: str = "carla"
    shadow: bool = False
    namespace: str = ""
    public_key: str = ""
    params_file: str = ""
    threads: int = 1
    sensor_qos: str = "best_effort"
    sync_tolerance: float = 0.0
    use_sim_time: bool = False
    autostart: bool = True
    view: bool = False
    topics: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value, options in (
            ("interface", self.interface, INTERFACES),
            ("sensor_qos", self.sensor_qos, SENSOR_QOS),
        ):
            if value not in options:
                raise ValueError(f"{name}: {value!r} is not one of {', '.join(options)}")
        for name, value in (("namespace", self.namespace.strip("/")), *self.topics.items()):
            if value and not NAME.fullmatch(value):
                raise ValueError(f"{name}: {value!r} is no name that ROS takes: letters, digits, _ and /")
        for file in (self.public_key, self.params_file):
            if file and not Path(file).is_file():
                raise ValueError(f"{file}: no such file")
        if not self.bundle.is_file():
            raise ValueError(f"bundle {self.bundle}: no such file")
        drive_settings(_drive(self))
        if self.view:
            require_sdk()


def deployment(options: DeployOptions) -> list[ProcessSpec]:
    """The processes in the order in which they are started; the gate listens first.

    A gate that dies ends all processes, so that the vehicle's supervision notices. A policy that dies is restarted:
    by then the gate has stopped the vehicle, which goes on only after a reset of the gate.
    """
    namespace = f"/{options.namespace.strip('/')}" if options.namespace.strip("/") else ""
    time: dict[str, Scalar] = {"use_sim_time": True} if options.use_sim_time else {}
    drive = ProcessSpec(
        "drive", "drive", namespace, _drive(options) | time, _remappings(options, "drive"), on_exit="respawn"
    )
    page = [live_page(namespace, _remappings(options, "drive"), {"learns": False})] if options.view else []
    if options.shadow:
        return [drive, *page]
    gate: dict[str, Scalar] = {"interface": options.interface}
    return [ProcessSpec("gate", "gate", namespace, gate | time, _remappings(options, "gate")), drive, *page]


def _drive(options: DeployOptions) -> dict[str, Scalar]:
    return {
        "drive.bundle": str(options.bundle),
        "drive.public_key": options.public_key,
        "drive.threads": options.threads,
        "drive.shadow": options.shadow,
        "drive.autostart": options.autostart,
        "drive.sensor_qos": options.sensor_qos,
        "drive.sync_tolerance": options.sync_tolerance,
    }


def _remappings(options: DeployOptions, node: str) -> tuple[tuple[str, str], ...]:
    """Pairs of a name in the node and the vehicle's topic for it."""
    names = {"camera": CAMERA, "odometry": ODOMETRY}
    if node == "gate":
        names["command"] = COMMANDS[options.interface]
    else:
        names["route"] = ROUTE
        if options.shadow:
            names["command"] = IN_CHARGE
    wanted = {**USUAL[options.interface], **{role: topic for role, topic in options.topics.items() if topic}}
    return tuple((name, wanted[role]) for role, name in names.items() if role in wanted)
