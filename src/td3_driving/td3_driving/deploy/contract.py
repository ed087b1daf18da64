"""What a policy expects of a vehicle and what a vehicle may expect of it.

The contract is derived from the settings by the code that observes and commands. A vehicle derives it again with its
own code and compares: a policy that was trained with another scaling, order or sign is refused before it drives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from td3_driving.driving import observation as seen
from td3_driving.driving.action import ACTION_DIM
from td3_driving.driving.state_vector import STATE_BOUND, state_dim, state_elements
from td3_driving.settings import ObservationSettings, Settings, SettingsError, SimulatorSettings

FORMAT = 2
"""Of the bundle; a reader refuses others."""
FRAMES, STATE, ACTION = "frames", "state", "action"
"""Names of the network's inputs and of its output."""
CAMERA = ("camera_width", "camera_height", "camera_fov")
TOPIC_ROLES = {
    "camera": {"type": "sensor_msgs/msg/Image", "encodings": list(seen.ENCODINGS)},
    "odometry": {"type": "nav_msgs/msg/Odometry", "pose": "map frame", "twist": "vehicle frame"},
    "route": {"type": "nav_msgs/msg/Path", "points": "lane centre, map frame"},
    "command": {"type": "carla_msgs/msg/CarlaEgoVehicleControl", "stamp": "of the camera image"},
}


class ContractError(ValueError):
    """A contract cannot be read, or is not the one of this software."""


@dataclass(frozen=True)
class Contract:
    """What the rest of the contract follows from.

    Attributes:
        observation: what the policy sees.
        frame_time: time between two actions [s].
        camera: width [px], height [px] and horizontal field of view [deg] of the camera it was trained with.
    """

    observation: ObservationSettings
    frame_time: float
    camera: tuple[int, int, float]

    @property
    def settings(self) -> Settings:
        """Settings for the code that training and driving share."""
        return Settings(observation=self.observation, simulator=SimulatorSettings(fixed_delta=self.frame_time))

    @property
    def frames_shape(self) -> tuple[int, int, int]:
        """(frames times planes, height, width) of the frames."""
        return seen.stack_shape(self.observation)

    @property
    def state_size(self) -> int:
        """Length of the state vector."""
        return state_dim(self.observation)

    def as_mapping(self) -> dict[str, Any]:
        """The whole contract as plain data."""
        width, height, fov = self.camera
        return {
            "format": FORMAT,
            "parameters": {"observation": asdict(self.observation), "frame_time": self.frame_time},
            "inputs": {
                FRAMES: {"shape": [1, *self.frames_shape], "dtype": "uint8", "unit": "grey, 0 .. 255", **_FRAMES},
                STATE: {"shape": [1, self.state_size], "dtype": "float32", "elements": _state(self.observation)},
            },
            "outputs": {ACTION: {"shape": [1, ACTION_DIM], "dtype": "float32", "elements": _ACTION}},
            "topics": TOPIC_ROLES,
            "camera": {"width": width, "height": height, "fov_deg": fov, "crop": "none"},
            "rate_hz": round(1.0 / self.frame_time, 6),
        }


def contract_of(settings: Settings) -> Contract:
    """The contract of a policy that was trained with ``settings``."""
    simulator = settings.simulator
    camera = simulator.camera_width, simulator.camera_height, simulator.camera_fov
    return Contract(settings.observation, simulator.fixed_delta, camera)


def read_contract(document: Any) -> Contract:
    """The contract in ``document``, which must be word for word the one that this software keeps.

    Raises:
        ContractError: it is malformed, or differs; the sentence names the first difference.
    """
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        raise ContractError(f"contract mismatch: the contract is not of format {FORMAT}")
    try:
        parameters, camera = document["parameters"], document["camera"]
        size = SimulatorSettings(
            camera_width=camera["width"],
            camera_height=camera["height"],
            camera_fov=camera["fov_deg"],
            fixed_delta=parameters["frame_time"],
        )
        observation = ObservationSettings(**parameters["observation"])
    except (KeyError, TypeError, SettingsError) as error:
        raise ContractError(f"contract mismatch: the contract cannot be read: {error}") from error
    contract = contract_of(Settings(observation=observation, simulator=size))
    difference = first_difference(document, contract.as_mapping())
    if difference:
        raise ContractError(f"contract mismatch: {difference}")
    return contract


def first_difference(found: Any, wanted: Any, path: str = "contract") -> str:
    """Where two plain structures differ first, as a sentence; empty where they do not."""
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


_FRAMES = {
    "layout": "batch, frame (oldest first), row from the top, column from the left",
    "made_by": "ITU-R BT.601 luma of the whole image, then the mean of the area that each pixel covers",
    "before_the_first": "the first frame is repeated",
}
_ACTION = [
    {"name": "steer", "low": -1.0, "high": 1.0, "sign": "right positive"},
    {"name": "drive", "low": -1.0, "high": 1.0, "sign": "throttle positive, brake negative"},
]


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
