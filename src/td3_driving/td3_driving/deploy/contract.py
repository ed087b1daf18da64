# SPDX-License-Identifier: Apache-2.0
"""The contract between a policy and a vehicle: the inputs and outputs of the policy.

The contract is derived from the settings by the code that observes and commands. A vehicle derives it again with its
own code and compares: a policy that was trained with another scaling, order or sign is refused before it drives.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from td3_driving.deploy.localisation import farthest_from_route, longest_jump
from td3_driving.driving import navigation
from td3_driving.driving import observation as seen
from td3_driving.driving.action import ACTION_DIM
from td3_driving.driving.sensors import sensors
from td3_driving.driving.state_vector import STATE_BOUND, state_dim, state_elements
from td3_driving.settings import (
    PLUGINS,
    LocalisationSettings,
    ObservationSettings,
    Settings,
    SettingsError,
    SimulatorSettings,
)

FORMAT = 2
"""Format of the bundle; a reader refuses others."""
FRAMES, STATE, ACTION = "frames", "state", "action"
"""Names of the network's inputs and of its output."""


class ContractError(ValueError):
    """A contract is unreadable, or differs from that of this software."""


@dataclass(frozen=True)
class Contract:
    """The values from which the rest of the contract follows.

    Attributes:
        observation: settings of the policy's observation.
        localisation: error of the positions that it was trained with; ``None``: exact ones, as state ``map`` needs.
        frame_time: time between two actions [s].
        camera: width [px], height [px] and horizontal field of view [deg] of the camera it was trained with.
    """

    observation: ObservationSettings
    localisation: LocalisationSettings | None
    frame_time: float
    camera: tuple[int, int, float]

    @property
    def settings(self) -> Settings:
        """Settings for the code that training and driving share."""
        width, height, fov = self.camera
        camera = SimulatorSettings(
            fixed_delta=self.frame_time, camera_width=width, camera_height=height, camera_fov=fov
        )
        error = self.localisation or LocalisationSettings()
        return Settings(observation=self.observation, localisation=error, simulator=camera)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of one frame, see :func:`td3_driving.driving.observation.frame_shape`."""
        return seen.frame_shape(self.observation)

    @property
    def frames_shape(self) -> tuple[int, int, int]:
        """(frames times planes, height, width) of the frames."""
        return seen.stack_shape(self.observation)

    @property
    def state_size(self) -> int:
        """Length of the state vector."""
        return state_dim(self.observation)

    @property
    def farthest(self) -> float:
        """Distance from the route beyond which the policy does not drive [m]."""
        return farthest_from_route(self.localisation)

    @property
    def jump(self) -> float:
        """Jump between two positions, beyond the driven distance, that means the vehicle was moved [m]."""
        return longest_jump(self.localisation)

    def as_mapping(self) -> dict[str, Any]:
        """The whole contract as plain data."""
        return {
            "format": FORMAT,
            "parameters": self._parameters(),
            "sensors": [asdict(sensor) | {"encodings": list(sensor.encodings)} for sensor in sensors(self.settings)],
            "inputs": {
                FRAMES: {"shape": [1, *self.frames_shape], "dtype": "uint8", **_frames(self.observation)},
                STATE: {
                    "shape": [1, self.state_size],
                    "dtype": "float32",
                    "contract": self.observation.state,
                    "navigation": _navigation(self.observation),
                    "elements": _state(self.observation),
                },
            },
            "outputs": {ACTION: {"shape": [1, ACTION_DIM], "dtype": "float32", "elements": _ACTION}},
            "topics": _topics(self.observation),
            "positions": {"farthest_from_route_m": self.farthest, "longest_jump_m": self.jump},
            "rate_hz": round(1.0 / self.frame_time, 6),
        }

    def _parameters(self) -> dict[str, Any]:
        width, height, fov = self.camera
        return {
            "observation": {
                name: value
                for name, value in asdict(self.observation).items()
                if value or f"observation.{name}" not in PLUGINS
            },
            "localisation": None if self.localisation is None else asdict(self.localisation),
            "frame_time": self.frame_time,
            "camera": {"width": width, "height": height, "fov_deg": fov},
        }


def contract_of(settings: Settings) -> Contract:
    """The contract of a policy that was trained with ``settings``.

    Raises:
        ContractError: the policy looks through more than one camera, and a vehicle's software reads one.
    """
    if settings.observation.cameras:
        raise ContractError(
            f"a vehicle drives by the front camera alone, and observation.cameras has {settings.observation.cameras}"
            " besides"
        )
    simulator, error = settings.simulator, settings.localisation
    camera = simulator.camera_width, simulator.camera_height, simulator.camera_fov
    exact = settings.observation.state == "map"
    return Contract(settings.observation, None if exact else error, simulator.fixed_delta, camera)


def read_contract(document: Any) -> Contract:
    """The contract in ``document``, which must be word for word the one that this software keeps.

    Raises:
        ContractError: it is malformed, or differs; the sentence names the first difference.
    """
    check_format(document)
    try:
        parameters = document["parameters"]
        camera, positions = parameters["camera"], parameters["localisation"]
        size = SimulatorSettings(
            camera_width=camera["width"],
            camera_height=camera["height"],
            camera_fov=camera["fov_deg"],
            fixed_delta=parameters["frame_time"],
        )
        observation = ObservationSettings(**parameters["observation"])
        localisation = LocalisationSettings(**({} if positions is None else positions))
    except (KeyError, TypeError, SettingsError) as error:
        raise ContractError(f"contract mismatch: the contract cannot be read: {error}") from error
    contract = contract_of(Settings(observation=observation, localisation=localisation, simulator=size))
    difference = first_difference(document, contract.as_mapping())
    if difference:
        raise ContractError(f"contract mismatch: {difference}")
    return contract


def check_format(document: Any) -> None:
    """Refuse a document of another format than this software reads.

    Raises:
        ContractError: one sentence on the cause and what to do.
    """
    found = document.get("format") if isinstance(document, Mapping) else None
    if isinstance(found, bool) or not isinstance(found, int):
        raise ContractError(f"contract mismatch: the bundle does not say that it is of format {FORMAT}")
    if found < FORMAT:
        raise ContractError(
            f"contract mismatch: the bundle is of format {found}, whose policy sees something else than one of format"
            f" {FORMAT} (whole images, and no choice between state sensors and map): train again and export, or"
            " drive it with the version of td3_driving that made it"
        )
    if found > FORMAT:
        raise ContractError(
            f"contract mismatch: the bundle is of format {found}, newer than format {FORMAT} of this software:"
            " drive it with the version of td3_driving that made it"
        )


def first_difference(found: Any, wanted: Any, path: str = "contract") -> str:
    """Return the first difference of two plain structures as a sentence; empty where they are equal."""
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        for key in sorted({*map(str, found), *map(str, wanted)}):
            if key not in found or key not in wanted:
                return f"{path}.{key} is only in the {'software' if key in wanted else 'bundle'}"
            difference = first_difference(found[key], wanted[key], f"{path}.{key}")
            if difference:
                return difference
        return ""
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        parts = (first_difference(a, b, f"{path}[{i}]") for i, (a, b) in enumerate(zip(found, wanted)))
        return next((part for part in parts if part), "")
    same = found == wanted and isinstance(found, bool) == isinstance(wanted, bool)
    return "" if same else f"{path} is {found!r} in the bundle, {wanted!r} in the software"


_ACTION = [
    {"name": "steer", "low": -1.0, "high": 1.0, "sign": "right positive"},
    {"name": "drive", "low": -1.0, "high": 1.0, "sign": "throttle positive, brake negative"},
]


def _frames(settings: ObservationSettings) -> dict[str, str]:
    """Describe the numbers in the frames and how they are made."""
    grey = settings.colour == "grey"
    planes = "" if grey else "plane of the frame (red, green, blue), "
    made = "ITU-R BT.601 luma" if grey else "red, green and blue"
    return {
        "unit": f"{'grey' if grey else 'red, green and blue'}, 0 .. 255",
        "layout": f"batch, frame (oldest first), {planes}row from the top, column from the left",
        "made_by": f"the image without its cropped rows, {made} of it, then the mean of the area of each pixel",
        "before_the_first": "the first frame is repeated",
    }


def _navigation(settings: ObservationSettings) -> dict[str, float] | None:
    """Describe what counts as a manoeuvre, and which route points define the curve; none in state ``map``."""
    if settings.state == "map":
        return None
    return {
        "turn_angle_deg": round(math.degrees(navigation.TURN_ANGLE), 6),
        "turn_length_m": navigation.TURN_LENGTH,
        "horizon_m": navigation.HORIZON,
        "dense_route_m": navigation.DENSE,
    }


def _topics(settings: ObservationSettings) -> dict[str, Any]:
    """Type and meaning of each topic, by its role."""
    exact = settings.state == "map"
    pose = "map frame, exact to a fraction of a lane" if exact else "map frame, as GNSS and compass tell it"
    points = (
        "lane centre, map frame" if exact else f"lane centre, map frame, at most {settings.waypoint_spacing:g} m apart"
    )
    command = {"type": "carla_msgs/msg/CarlaEgoVehicleControl", "stamp": "of the camera image"}
    return {
        "camera": {"type": "sensor_msgs/msg/Image"},
        "odometry": {"type": "nav_msgs/msg/Odometry", "pose": pose, "twist": "vehicle frame"},
        "route": {"type": "nav_msgs/msg/Path", "points": points},
        "command": command,
    }


def _state(settings: ObservationSettings) -> list[dict[str, Any]]:
    """Name, unit, divisor, source and bound of each element of the state vector."""
    return [
        {
            "name": element.name,
            "unit": element.unit,
            "divided_by": element.scale,
            "source": element.source,
            "bound": STATE_BOUND,
        }
        for element in state_elements(settings)
    ]
