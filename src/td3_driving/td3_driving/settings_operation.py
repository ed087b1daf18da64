# SPDX-License-Identifier: Apache-2.0
"""Groups of settings that say where a run is made and in which stages, not what is learned."""

from __future__ import annotations

from dataclasses import dataclass

from td3_driving.bounded import Bounded, SettingsError, choice, flag, number, text


@dataclass(frozen=True)
class CarlaSettings(Bounded):
    """A CARLA server and its ROS bridge; camera, route, traffic and step are those of the group ``simulator``."""

    host: str = text("localhost", "machine of the CARLA server")
    port: int = number(2000, 1, 65533, "first of the server's three ports")
    server: str = choice("auto", ("auto", "start", "attach"), "auto: attach where one answers, start one elsewhere")
    executable: str = text("", "the server's CarlaUE4.sh; empty: the one in the folder that CARLA_ROOT names")
    bridge: str = choice("start", ("start", "attach"), "start carla_ros_bridge and the ego vehicle, or use what runs")
    town: str = text("Town01", "CARLA's name of the map")
    weather: str = text("ClearNoon", "one of CARLA's weather presets")
    quality: str = choice("Low", ("Low", "Epic"), "rendering quality of a server that is started here")
    off_screen: bool = flag(True, "start the server without a window")
    objects: str = text("training", "ego vehicle and sensors: a file in config/objects, or a path")
    discard_frames: int = number(5, 2, 100, "least number of frames that a reset brakes after the teleport")
    stage_timeout: float = number(120.0, 1.0, 3600.0, "wall time of each stage of the start", "s")
    rpc_timeout: float = number(10.0, 0.5, 120.0, "wall time of one call of the server", "s")
    silence_timeout: float = number(10.0, 2.0, 600.0, "wall time without a frame after which all is started anew", "s")
    reset_timeout: float = number(30.0, 2.0, 600.0, "wall time of a reset after which all is started anew", "s")
    restarts: int = number(20, 0, 1000, "how often that may happen in one run")


@dataclass(frozen=True)
class SecuritySettings(Bounded):
    """Whom the nodes of a run believe."""

    open: bool = flag(False, "believe messages without a seal too: for ROS tools and teaching, on your own network")


@dataclass(frozen=True)
class LoggersSettings(Bounded):
    """For whom a run is written when it is over, beside its event file; nothing is sent anywhere."""

    wandb: bool = flag(False, "a Weights & Biases run, offline, in RUN/.wandb; needs wandb")
    mlflow: bool = flag(False, "a run in the MLflow file store .mlruns beside the run folder; needs mlflow")
    tensorboard: bool = flag(False, "the settings for TensorBoard's page HParams, and frames for its page Images")


@dataclass(frozen=True)
class StagedSettings(Bounded):
    """Lengths of the stages of ``train --staged``; each is greater than the one before, and 0 ends the plan."""

    first: int = number(5_000, 1, 10**9, "environment steps of the first stage")
    second: int = number(50_000, 0, 10**9, "environment steps after the second stage")
    third: int = number(100_000, 0, 10**9, "environment steps after the third stage")
    fourth: int = number(1_000_000, 0, 10**9, "environment steps after the fourth stage")

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = (self.first, self.second, self.third, self.fourth)
        if any(after != 0 and not 0 < before < after for before, after in zip(sizes, sizes[1:])):
            raise SettingsError(f"StagedSettings: the stages {', '.join(map(str, sizes))} do not grow")
