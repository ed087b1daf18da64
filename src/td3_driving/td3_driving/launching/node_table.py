# SPDX-License-Identifier: Apache-2.0
"""The processes of a training run: the one description that every starter reads.

``launch/train.launch.py`` turns it into launch actions, ``launching/supervisor.py`` into plain child processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from td3_driving.driving import topics
from td3_driving.settings import Scalar
from td3_driving.view.rviz import rviz_arguments, rviz_file

SIMULATORS = ("embedded", "carla", "none")
OnExit = Literal["main", "respawn", "required", "optional", "last"]


@dataclass(frozen=True)
class ProcessSpec:
    """One process of a run.

    Attributes:
        name: unique within the run; the prefix of its log lines.
        executable: a node of this package, or the name of a program when ``arguments`` is given.
        namespace: ROS namespace, "" for the root.
        parameters: node parameters beside the run's parameter file.
        remappings: ``(from, to)`` topic names.
        arguments: command line of a program that is no node of this package; None for a node.
        on_exit: ``main``: the run is over when all of these have ended with 0. ``respawn``: started again when it dies.
            ``required``: its end ends the run. ``optional``: its end is only reported. ``last``: it starts after the
            run has ended, and its exit code does not fail the run.
        drain: wall time [s] to end by itself once the run is over, before it is asked to.
        endless: it never ends by itself in good order, so exit code 0 before the end of the run is a death as well.
    """

    name: str
    executable: str
    namespace: str = ""
    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    remappings: tuple[tuple[str, str], ...] = ()
    arguments: tuple[str, ...] | None = None
    on_exit: OnExit = "required"
    drain: float = 0.0
    endless: bool = False


@dataclass(frozen=True)
class RunOptions:
    """The options that decide which processes a run has.

    Attributes:
        run_directory: folder of the run; holds ``config.yaml``, the parameter file of every node.
        simulator: ``embedded``: one is started per actor; ``carla``: the CARLA node brings up a CARLA server and
            its bridge, or finds them; ``none``: another program publishes the bridge's topics.
        num_actors: policies, each with its simulator.
        actors_per_process: how many of them share one process, and their simulators another.
        final_routes: routes that the final policy drives after the run; 0 for none.
        loggers: whether the run is written for other loggers when it is over.
        faults: faults that the embedded simulators inject, for tests; "" for none.
        tensorboard, rviz, record, view: show or record the run beside training it.
        server: command line of the discovery server of a run whose other actors are on other machines; () for none.
        local_actors: of a run with a server, how many actors are started here, from the first on.
    """

    run_directory: Path
    simulator: str = "embedded"
    num_actors: int = 1
    actors_per_process: int = 1
    final_routes: int = 0
    loggers: bool = False
    faults: str = ""
    tensorboard: bool = False
    rviz: bool = False
    record: bool = False
    view: bool = False
    server: tuple[str, ...] = ()
    local_actors: int = 0

    def __post_init__(self) -> None:
        if self.simulator not in SIMULATORS:
            raise ValueError(f"simulator: {self.simulator!r} is not one of {', '.join(SIMULATORS)}")
        if not 0 <= self.local_actors <= self.num_actors:
            raise ValueError(
                f"local_actors: {self.local_actors} is outside 0 .. {self.num_actors}, the actors of the run"
            )
        if self.simulator != "embedded" and self.num_actors != 1:
            raise ValueError(f"num_actors: {self.num_actors} actors need simulator embedded, not {self.simulator}")

    @property
    def together(self) -> int:
        """Actors of one process. Faults are injected into simulators that have processes of their own."""
        return 1 if self.faults or self.simulator != "embedded" else self.actors_per_process

    @property
    def params_file(self) -> Path:
        """The resolved configuration of the run as a ROS 2 parameter file."""
        return self.run_directory / "config.yaml"


def processes(options: RunOptions) -> list[ProcessSpec]:
    """Return the processes of a run in starting order; subscribers come first."""
    run_directory: dict[str, Scalar] = {"run_dir": str(options.run_directory)}
    watching = run_directory | _resetter(options)
    specs = [
        *_for_others(options),
        ProcessSpec("diagnostics", "diagnostics", parameters=watching, on_exit="respawn", drain=10.0),
        ProcessSpec("learner", "learner", parameters=run_directory, on_exit="respawn", drain=30.0),
    ]
    if options.record:
        specs.append(ProcessSpec("recorder", "recorder", parameters=run_directory, on_exit="optional", drain=10.0))
    here = options.local_actors if options.server else options.num_actors
    for first in range(0, here, options.together):
        specs += _actors(first, min(options.together, here - first), options)
    return specs + _companions(options)


def actor_processes(options: RunOptions, places: Mapping[int, Mapping[str, Scalar]]) -> list[ProcessSpec]:
    """Return the processes of actors whose learner is on another machine.

    Args:
        places: index of each actor that is started here, and the parameters with which its policy joins the run.
    """
    return [spec for index, place in places.items() for spec in _actors(index, 1, options, place)]


def _for_others(options: RunOptions) -> list[ProcessSpec]:
    """Return what a run over several machines has besides: the server by which all find one another, the registrar."""
    if not options.server:
        return []
    program, *words = options.server
    offer: dict[str, Scalar] = {"run_dir": str(options.run_directory)}
    return [
        ProcessSpec("discovery", program, arguments=tuple(words), on_exit="respawn", endless=True),
        ProcessSpec("registrar", "registrar", parameters=offer, on_exit="main"),
    ]


def closing(options: RunOptions) -> list[ProcessSpec]:
    """Return the processes to run one after the other after a successful run."""
    written = ProcessSpec("loggers", "loggers", arguments=(str(options.run_directory),), on_exit="last")
    return [*final_drives(options), verdict(options), *([written] if options.loggers else [])]


def final_drives(options: RunOptions) -> list[ProcessSpec]:
    """The process that drives the final policy with and without its camera, in the embedded simulator alone."""
    if options.final_routes == 0 or options.simulator != "embedded":
        return []
    return [ProcessSpec("final", "final_drives", arguments=(str(options.run_directory),), on_exit="last")]


def verdict(options: RunOptions) -> ProcessSpec:
    """The process that judges the run folder after the run has ended and leaves its reports there."""
    folder = options.run_directory
    reports = [
        word
        for kind, end in (("html", "html"), ("markdown", "md"), ("json", "json"))
        for word in (f"--{kind}", f"{folder}/report.{end}")
    ]
    return ProcessSpec("doctor", "doctor", arguments=(str(folder), "--brief", *reports), on_exit="last")


def shared_topics(namespace: str) -> tuple[tuple[str, str], ...]:
    """Remappings that lead a node in an actor's namespace to the topics that all actors share."""
    return tuple((topic, f"/{topic}") for topic in topics.SHARED) if namespace else ()


def _resetter(options: RunOptions) -> dict[str, Scalar]:
    """The parameter that names the node that commands the vehicle in a reset: with the embedded simulator, none."""
    return {"resetter": ""} if options.simulator == "embedded" else {}


def _actors(
    first: int, count: int, options: RunOptions, place: Mapping[str, Scalar] | None = None
) -> list[ProcessSpec]:
    """The processes of ``count`` actors; ``place``: parameters of their policies beside those of every policy."""
    alone = options.num_actors == 1
    suffix, namespace = ("", "") if alone else (f"_{first}", f"/actor_{first}")
    shared = shared_topics(namespace)
    group: dict[str, Scalar] = {}
    if count > 1:
        suffix += f"-{first + count - 1}"
        group = {"actor_index": first, "together": count}
    run_directory = str(options.run_directory)
    identity: dict[str, Scalar] = {"actor_id": f"actor_{first}", "actor_index": first, "run_dir": run_directory}
    identity |= group | _resetter(options) | dict(place or {})
    if options.simulator == "embedded" and not options.faults:
        # Faults are those of the bridge's topics.
        identity["whole_frames"] = True
    policy = ProcessSpec(f"policy{suffix}", "policy", namespace, identity, remappings=shared, on_exit="main")
    if options.simulator == "carla":
        return [carla_node(options.run_directory), policy]
    if options.simulator == "none":
        return [policy]
    own: dict[str, Scalar] = group | {"run_dir": run_directory} | ({"faults": options.faults} if options.faults else {})
    return [ProcessSpec(f"simulator{suffix}", "simulator", namespace, own, on_exit="respawn", endless=True), policy]


def carla_node(run_directory: Path) -> ProcessSpec:
    """The process that brings up CARLA; it ends with a refusal where that is not possible."""
    return ProcessSpec(
        "carla_episodes",
        "carla_episodes",
        parameters={"run_dir": str(run_directory)},
        on_exit="respawn",
        endless=True,
    )


def _companions(options: RunOptions) -> list[ProcessSpec]:
    """Return the observing programs; the run does not depend on them."""
    watching = []
    if options.tensorboard:
        logs = ("--logdir", str(options.run_directory))
        watching.append(ProcessSpec("tensorboard", "tensorboard", arguments=logs, on_exit="optional"))
    namespace = "" if options.num_actors == 1 else "/actor_0"
    whose = {"actor_id": "actor_0"}
    if options.view:
        watching.append(live_page(namespace, shared_topics(namespace), whose))
    return watching + (_rviz(namespace, whose) if options.rviz else [])


def live_page(
    namespace: str, remappings: tuple[tuple[str, str], ...] = (), parameters: Mapping[str, Scalar] | None = None
) -> ProcessSpec:
    """The process of the live page; nothing depends on it."""
    return ProcessSpec("live", "live", namespace, parameters or {}, remappings=remappings, on_exit="optional")


def _rviz(namespace: str, whose: Mapping[str, Scalar]) -> list[ProcessSpec]:
    """Return the processes that show the run, or its first actor, in RViz."""
    shared = shared_topics(namespace)
    return [
        ProcessSpec("visualizer", "visualizer", namespace, whose, remappings=shared, on_exit="optional"),
        ProcessSpec("rviz2", "rviz2", arguments=rviz_arguments(rviz_file(), namespace), on_exit="optional"),
    ]
