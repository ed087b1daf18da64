# SPDX-License-Identifier: Apache-2.0
"""Turns a user's request into a claimed run folder, a claimed ROS domain and the processes to start."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from td3_driving.carla.errors import CarlaError
from td3_driving.carla.server import check_startable
from td3_driving.launching.node_table import ProcessSpec, RunOptions, processes
from td3_driving.launching.resuming import profile_name, require_enough_steps
from td3_driving.live.needs import require_sdk
from td3_driving.loggers.cli import chosen, require_installed
from td3_driving.processes.domain import (
    OWN_PROFILE,
    claim_domain,
    discovery,
    free_shared_memory,
    lack_of_room,
    room_for_images,
    wanted_domain,
)
from td3_driving.processes.ros_needs import check_ros, log_note, log_variables
from td3_driving.runs import run_folder
from td3_driving.runs.profiles import DEFAULT_PROFILE, config_directory, load_profile, override, profile_path
from td3_driving.runs.run_folder import RunFolder
from td3_driving.settings import Settings
from td3_driving.trust.token import renew_token

BRIDGE_DOMAIN = 0
"""Domain of an external simulator unless ``ROS_DOMAIN_ID`` is set: the default of ROS 2."""

BLIND = {"network.critic": "camera", "learning.teacher": "none"}
"""Settings of a run whose simulator may not publish the other vehicles, unless the user sets them by name."""
TO_LISTEN = ("ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_DOMAIN_ID", "ROS_LOCALHOST_ONLY")
"""Variables that other ROS programs need to hear a run."""
CARLA_PATIENCE = 600.0
"""Least ``pacing.stall_timeout`` of a profile on CARLA [s]: a server needs minutes to start, also within a run."""


@dataclass(frozen=True)
class RunRequest:
    """A training run as a user asks for it; "" and None mean: as the profile says.

    Attributes:
        profile: name of a profile or path of a parameter file; "" for the default, and for that of a resumed run.
        assignments: ``group.name=value`` on top of it.
        run_directory: name below ``runs/`` or a path.
        resume: continue the run that lies there.
    """

    profile: str = ""
    assignments: tuple[str, ...] = ()
    run_directory: str = ""
    resume: bool = False
    simulator: str = "embedded"
    faults: str = ""
    tensorboard: bool = False
    rviz: bool = False
    record: bool = False
    view: bool = False

    @property
    def new_profile(self) -> str:
        """The profile of a new run."""
        return self.profile or DEFAULT_PROFILE


@dataclass(frozen=True)
class Prepared:
    """A run that can be started.

    Attributes:
        environment: variables to set for every process.
        note: a hint to print before the run starts; "" for none.
    """

    folder: RunFolder
    options: RunOptions
    specs: list[ProcessSpec]
    environment: dict[str, str]
    note: str = ""


def prepare(request: RunRequest, environment: Mapping[str, str], now: datetime, held: ExitStack) -> Prepared:
    """Resolve the settings, claim folder and domain, and list the processes.

    Args:
        held: keeps the claims; closing it gives them back.

    Raises:
        ValueError: the request cannot be met; one sentence says why.
        OSError: the run folder cannot be written.
    """
    settings, path = resolve(request, now)
    require_installed(settings.loggers)
    options = RunOptions(
        run_directory=path,
        simulator=request.simulator,
        num_actors=settings.run.num_actors,
        final_routes=settings.evaluation.final_routes,
        loggers=bool(chosen(settings.loggers)),
        faults=request.faults,
        tensorboard=request.tensorboard,
        rviz=request.rviz,
        record=request.record,
        view=request.view,
    )
    specs = processes(options)
    _require_programs(specs)
    if request.view:
        require_sdk()
    check_ros(environment)
    if request.simulator == "carla":
        _require_carla(settings, environment)
    wanted = wanted_domain(environment)
    if wanted is None and _others_speak(request, settings):
        wanted = BRIDGE_DOMAIN
    domain = held.enter_context(claim_domain(wanted))
    folder = held.enter_context(_claim(request, path, settings, now))
    renew_token(folder.path)
    logs = log_variables(environment, folder.path / "log")
    variables = discovery(domain.number, environment) | patient_threads(environment) | logs
    image = 4 * settings.simulator.camera_width * settings.simulator.camera_height
    profile = config_directory() / "dds" / OWN_PROFILE
    free = free_shared_memory()
    variables |= room_for_images(environment, profile, image, free)
    notes = blind_note(request), log_note(logs), lack_of_room(environment, image, free)
    return Prepared(folder, options, specs, variables, "; ".join(filter(None, notes)))


def resolve(request: RunRequest, now: datetime) -> tuple[Settings, Path]:
    """Return the settings and the run folder of a request; writes nothing.

    Raises:
        ValueError: there are no such settings, or no run to resume.
    """
    if request.resume:
        path = run_folder.folder_for(request.run_directory or "latest", "", 0, now).resolve()
        earlier = run_folder.earlier_settings(path)
        settings = override(earlier, request.assignments)
        require_enough_steps(path, earlier, settings)
        return settings, path
    profile = load_profile(profile_path(request.new_profile))
    profile = override(profile, blind(request, profile))
    if request.simulator == "carla":
        patience = max(profile.pacing.stall_timeout, CARLA_PATIENCE)
        profile = override(profile, [f"pacing.stall_timeout={patience}"])
    settings = override(profile, request.assignments)
    _require_learning(settings)
    return settings, run_folder.folder_for(request.run_directory, request.new_profile, settings.run.seed, now)


def _claim(request: RunRequest, path: Path, settings: Settings, now: datetime) -> RunFolder:
    if request.resume:
        return run_folder.resume(path, settings, now)
    return run_folder.create(path, settings, now, profile_name(request.new_profile))


def _require_learning(settings: Settings) -> None:
    starts = settings.pacing.learning_starts
    if settings.run.steps <= starts:
        raise ValueError(
            f"run.steps {settings.run.steps} is not above pacing.learning_starts {starts}, so the run would end before"
            f" it learns: take more steps, or fewer before it learns with --set pacing.learning_starts=N"
        )


def blind(request: RunRequest, profile: Settings) -> list[str]:
    """Return assignments for a new run without the other vehicles, which an external simulator may not publish."""
    if request.simulator != "none" or request.resume:
        return []
    named, flat = {word.partition("=")[0].strip() for word in request.assignments}, profile.flat()
    return [f"{name}={value}" for name, value in BLIND.items() if flat[name] != value and name not in named]


def blind_note(request: RunRequest) -> str:
    """Return what :func:`blind` changed in one sentence; "" if nothing.

    Raises:
        ValueError: there is no such profile.
    """
    changed = [] if request.resume else blind(request, load_profile(profile_path(request.new_profile)))
    if not changed:
        return ""
    names = ", ".join(word.partition("=")[0] for word in changed)
    return (
        f"simulator none may not tell where the other vehicles are, so the run takes {' and '.join(changed)};"
        f" where it publishes carla/ego_vehicle/objects, set {names} yourself"
    )


def _others_speak(request: RunRequest, settings: Settings) -> bool:
    """Return whether a program outside this run publishes the bridge's topics."""
    return request.simulator == "none" or (request.simulator == "carla" and settings.carla.bridge == "attach")


def _require_programs(specs: list[ProcessSpec]) -> None:
    for spec in specs:
        if spec.arguments is not None and shutil.which(spec.executable) is None:
            raise ValueError(f"{spec.executable} is not on this machine; start the run without it")


def _require_carla(settings: Settings, environment: Mapping[str, str]) -> None:
    if settings.observation.cameras:
        raise ValueError(
            f"simulator carla has the front camera alone, and observation.cameras has {settings.observation.cameras}"
        )
    try:
        check_startable(settings.carla, environment)
    except CarlaError as error:
        raise ValueError(str(error)) from error


def how_to_listen(environment: Mapping[str, str]) -> str:
    """Return the shell prefix with which other ROS programs receive the run's topics."""
    return " ".join(f"{name}={value}" for name, value in sorted(environment.items()) if name in TO_LISTEN)


def patient_threads(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that let OpenMP's threads sleep while they wait for each other, unless the user chose otherwise.

    They spin by default. The learner's threads then take the cores from the simulator, the policy and each other,
    and an update takes two to three times as long beside other work.
    """
    return {} if "OMP_WAIT_POLICY" in environment else {"OMP_WAIT_POLICY": "PASSIVE"}
