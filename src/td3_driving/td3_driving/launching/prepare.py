# SPDX-License-Identifier: Apache-2.0
"""Turns a user's request into a claimed run folder, a claimed ROS domain and the processes to start."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from td3_driving.carla.errors import CarlaError
from td3_driving.carla.server import check_startable
from td3_driving.launching.node_table import ProcessSpec, RunOptions, processes
from td3_driving.launching.resuming import profile_name, require_enough_steps
from td3_driving.live.needs import require_sdk
from td3_driving.loggers.cli import chosen, require_installed
from td3_driving.processes.discovery_server import (
    PROFILE,
    ServerAddress,
    client_variables,
    parse_address,
    require_own,
    require_reachable_settings,
    server_command,
)
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
from td3_driving.trust.token import count_start, renew_token

BRIDGE_DOMAIN = 0
"""Domain of an external simulator unless ``ROS_DOMAIN_ID`` is set: the default of ROS 2."""

BLIND = {"network.critic": "camera", "learning.teacher": "none"}
"""Settings of a run whose simulator may not publish the other vehicles, unless the user sets them by name."""
TO_LISTEN = (
    *("ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_DOMAIN_ID", "ROS_LOCALHOST_ONLY"),
    *("ROS_DISCOVERY_SERVER", "ROS_SUPER_CLIENT"),
)
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
        serve: ``HOST[:PORT]``, the address of this machine at which actors on others reach the run.
        local_actors: how many of the actors are started here nevertheless.
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
    serve: str = ""
    local_actors: int = 0

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
        server: where actors on other machines reach the run; None for a run of this machine alone.
    """

    folder: RunFolder
    options: RunOptions
    specs: list[ProcessSpec]
    environment: dict[str, str]
    note: str = ""
    server: ServerAddress | None = None


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
    options = _options(request, settings, path)
    _require_programs(processes(options))
    if request.view:
        require_sdk()
    check_ros(environment)
    if request.simulator == "carla" and not request.serve:
        require_carla(settings, environment)
    domain, server = _claim_domain(request, settings, environment, held)
    if server is not None:
        options = replace(options, server=tuple(server_command(server)))
    folder = held.enter_context(_claim(request, path, settings, now))
    # Actors on other machines have a copy, and go on with it.
    (count_start if request.serve and request.resume else renew_token)(folder.path)
    logs = log_variables(environment, folder.path / "log")
    variables = _discovery(domain, server, environment) | machine_variables(settings, environment) | logs
    notes = blind_note(request), log_note(logs), _room_note(settings, environment)
    return Prepared(folder, options, processes(options), variables, "; ".join(filter(None, notes)), server)


def _options(request: RunRequest, settings: Settings, path: Path) -> RunOptions:
    if request.local_actors and not request.serve:
        raise ValueError(f"--local-actors {request.local_actors} needs --serve: without it all actors are started here")
    return RunOptions(
        run_directory=path,
        simulator=request.simulator,
        num_actors=settings.run.num_actors,
        actors_per_process=settings.run.actors_per_process,
        final_routes=settings.evaluation.final_routes,
        loggers=bool(chosen(settings.loggers)),
        faults=request.faults,
        tensorboard=request.tensorboard,
        rviz=request.rviz,
        record=request.record,
        view=request.view,
        local_actors=request.local_actors,
    )


def machine_variables(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """Environment variables that every machine of a run needs: for its threads, and for the size of its images."""
    profile = config_directory() / "dds" / OWN_PROFILE
    images = room_for_images(environment, profile, _image_bytes(settings), free_shared_memory())
    return patient_threads(environment) | images


def link_profile() -> str:
    """Path of the settings of Fast DDS for links between machines."""
    return str(config_directory() / "dds" / PROFILE)


def _room_note(settings: Settings, environment: Mapping[str, str]) -> str:
    return lack_of_room(environment, _image_bytes(settings), free_shared_memory())


def _image_bytes(settings: Settings) -> int:
    return 4 * settings.simulator.camera_width * settings.simulator.camera_height


def _claim_domain(
    request: RunRequest, settings: Settings, environment: Mapping[str, str], held: ExitStack
) -> tuple[int, ServerAddress | None]:
    """The domain of the run, claimed, and the address of its discovery server if it has one."""
    if not request.serve:
        wanted = wanted_domain(environment)
        if wanted is None and _others_speak(request, settings):
            wanted = BRIDGE_DOMAIN
        return held.enter_context(claim_domain(wanted)).number, None
    require_reachable_settings(environment)
    host, wanted = parse_address(request.serve, "--serve", environment)
    server = ServerAddress(host, held.enter_context(claim_domain(wanted)).number)
    require_own(server, "--serve")
    return server.domain, server


def _discovery(domain: int, server: ServerAddress | None, environment: Mapping[str, str]) -> dict[str, str]:
    if server is None:
        return discovery(domain, environment)
    return client_variables(server.local, domain, environment, link_profile())


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


def require_carla(settings: Settings, environment: Mapping[str, str]) -> None:
    """Check that CARLA can be started, or found, for this run.

    Raises:
        ValueError: one sentence on why not.
    """
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
