# SPDX-License-Identifier: Apache-2.0
"""``td3-driving evaluate``: drive fixed routes with policies and reference drivers, and compare them."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any, cast

import numpy as np
from rich.console import Console

from td3_driving import __version__
from td3_driving.doctor.command_line import CommandParser, did_you_mean
from td3_driving.doctor.plain_console import PlainConsole
from td3_driving.doctor.plain_text import counted
from td3_driving.driving.drivers import DRIVERS, is_driver, reference_driver
from td3_driving.evaluation.agents import EvaluatedAgent, PolicyAgent, driver_agent
from td3_driving.evaluation.camera_ablation import ABLATIONS, SEEN, cameras
from td3_driving.evaluation.drive import EvaluationPlan, LaneBorders, RouteStart, Watcher, evaluate, together
from td3_driving.evaluation.episode import ENDINGS
from td3_driving.evaluation.film import Film, check_film
from td3_driving.evaluation.inspection import Inspection, inspect
from td3_driving.evaluation.leaderboard import bundled, document
from td3_driving.evaluation.perturbations import NONE, PERTURBATIONS
from td3_driving.evaluation.report_html import html_report
from td3_driving.evaluation.table import Entry, print_tables, with_needs
from td3_driving.launching.evaluate_over_ros import over_ros
from td3_driving.launching.page_of_command import drives_on_page, live_page, stay
from td3_driving.runs.disk import require_places
from td3_driving.runs.profiles import DEFAULT_PROFILE, load_profile, load_run, override, profile_path
from td3_driving.runs.refusals import refuse
from td3_driving.settings import Settings
from td3_driving.sim.scenarios import scenario_of

CHANGES = [name for name in PERTURBATIONS if name != NONE]
SHARED = ("map", "route", "vehicles", "hard_braking", "pushing_in", "parked_cars")
"""Settings of the simulator in which all agents drive the same; camera and frame time belong to each policy."""
LIBRARIES = ("numpy", "torch", "carla", "panda3d")


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate.

    Returns:
        0; 2 for input that cannot be used.
    """
    asked = _parser().parse_args(arguments)
    if asked.ros:
        return over_ros(asked)
    console = Console(stderr=True, highlight=False)
    try:
        with live_page(asked.view, console, learns=False) as server:
            asked.page = None if server is None else drives_on_page(server)
            entries = list(_entries(asked, console))
            print_tables(entries, PlainConsole(highlight=False))
            _write(asked, entries)
            if server is not None and sys.stdin.isatty():
                stay(server, console)
    except (ValueError, OSError, RuntimeError) as error:
        return refuse(error)
    return 0


def _parser() -> CommandParser:
    parser = CommandParser("td3-driving evaluate", description=__doc__)
    add = parser.add_argument
    drivers = ", ".join(DRIVERS)
    add(
        "agents",
        nargs="+",
        metavar="RUN_OR_DRIVER",
        help=f"run folder, driver ({drivers}) or import path of one",
    )
    add("--scenario", type=int, nargs="+", default=[0], help="traffic: 0, 1, 2 = 20, 50, 100 vehicles; 3 = practice")
    add("--map", help="road network (as the run or the profile says)")
    add("--routes", type=int, default=10, help="number of routes (%(default)s)")
    add("--seed", type=int, default=0, help="of the routes and the traffic (%(default)s)")
    add("--ending", choices=ENDINGS, default=ENDINGS[0], help="where a route ends (%(default)s)")
    add("--delay-ms", type=_numbers, default=[0.0], metavar="LIST", help="delays of the frames, e.g. 0,50,100,200")
    add("--drop", type=_numbers, default=[], metavar="LIST", help="shares of lost frames, e.g. 0.01")
    add("--camera", type=_words, default=[SEEN], metavar="LIST", help=f"frames: some of {','.join(ABLATIONS)} ({SEEN})")
    add("--perturb", type=_words, default=[], metavar="LIST", help=f"the camera once more: {','.join(CHANGES)}, or all")
    add("--state-importance", action="store_true", help="the score without each element of the state vector")
    add("--occlusion", action="store_true", help="where a policy looks: pictures in the page of --html")
    add("--checkpoint", default="auto", help="best, latest, or a folder in checkpoints/ (the best, else the latest)")
    add("--profile", help=f"settings where no run is given ({DEFAULT_PROFILE})")
    add("--set", action="append", default=[], metavar="GROUP.NAME=VALUE", help="change one setting; may be repeated")
    add("--ros", action="store_true", help="over ROS: a simulator and a policy node of their own; one agent, no delay")
    add("--json", type=Path, metavar="FILE", help="write the results in the CARLA leaderboard's layout")
    add("--html", type=Path, metavar="FILE", help="write one self-contained page with figures")
    add("--film", type=Path, metavar="FILE", help="write a film of the first agent's first route: .mp4 or .webm")
    add("--view", action="store_true", help="show the drives on a live page in the browser")
    return parser


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers such as 0,50") from error


def _entries(asked: argparse.Namespace, console: Console) -> Iterator[Entry]:
    """Drive all agents and plans of the command line; all agents see the same routes and traffic."""
    runs = [Path(name) for name in asked.agents if not is_driver(name)]
    _check_inspection(asked, runs)
    if asked.film is not None:
        check_film(asked.film)
    require_places(asked.json, asked.html, asked.film)
    common = _common_settings(asked, runs)
    plans = list(_plans(asked))
    for index, name in enumerate(asked.agents):
        yield from with_needs(list(_of_agent(*_agent(name, asked, common), plans, asked, index == 0, console)))


def _of_agent(
    agent: EvaluatedAgent,
    settings: Settings,
    plans: Sequence[EvaluationPlan],
    asked: argparse.Namespace,
    first: bool,
    console: Console,
) -> Iterator[Entry]:
    """Drive the plans of one agent; film the first agent's first route, inspect a policy on its first plan."""
    fitting = [
        plan
        for plan in plans
        if agent.observation_settings is not None or (plan.camera, plan.perturbation) == (SEEN, NONE)
    ]
    for index, plan in enumerate(fitting):
        camera = "" if plan.camera == SEEN else f", camera {plan.camera}"
        perturbed = "" if plan.perturbation == NONE else f", {plan.perturbation}"
        console.print(
            f"{agent.name}: scenario {plan.scenario}, {counted(plan.routes, 'route')}{camera}{perturbed}", style="dim"
        )
        entry = _entry(agent, settings, plan, asked, asked.film if first and index == 0 else None)
        closer = index == 0 and agent.observation_settings is not None and (asked.state_importance or asked.occlusion)
        yield replace(entry, inspection=_inspection(agent, settings, plan, asked, console)) if closer else entry


def _inspection(
    agent: EvaluatedAgent, settings: Settings, plan: EvaluationPlan, asked: argparse.Namespace, console: Console
) -> Inspection:
    def tell(what: str) -> None:
        console.print(f"{agent.name}: {what}", style="dim")

    return inspect(settings, cast(PolicyAgent, agent), plan, asked.state_importance, asked.occlusion, tell)


def _check_inspection(asked: argparse.Namespace, runs: Sequence[Path]) -> None:
    """Check that a figure has a policy to inspect and a file to go to.

    Raises:
        ValueError: one of them is missing.
    """
    wanted = [name for name in ("state_importance", "occlusion") if getattr(asked, name)]
    for name in wanted:
        option = "--" + name.replace("_", "-")
        if not runs:
            raise ValueError(
                f"{option} needs the run folder of a policy; {', '.join(asked.agents)} has none to look into"
            )
        if asked.html is None and (asked.json is None or name == "occlusion"):
            raise ValueError(f"{option} needs --html FILE{' or --json FILE' if name == 'state_importance' else ''}")


def _entry(
    agent: EvaluatedAgent, settings: Settings, plan: EvaluationPlan, asked: argparse.Namespace, film: Path | None
) -> Entry:
    film_of_first = nullcontext() if film is None else Film(film, settings.simulator)
    lanes = LaneBorders()
    with film_of_first as recorder:
        observers: list[Callable[[RouteStart], Watcher | None]] = [lanes.of]
        observers += [] if asked.page is None else [asked.page.of(agent.name, settings.simulator)]
        observers += [] if recorder is None else [recorder.of]
        results = list(evaluate(settings, agent, plan, together(observers)))
    camera = agent.observation_settings is not None
    return Entry(agent.name, plan, settings.simulator.map, results, camera, borders=lanes.borders)


def _plans(asked: argparse.Namespace) -> Iterator[EvaluationPlan]:
    frames = cameras(asked.camera)
    for scenario in asked.scenario:
        scenario_of(scenario)
        plan = EvaluationPlan(scenario, asked.routes, asked.seed, asked.ending)
        late = [replace(plan, delay=1e-3 * delay) for delay in asked.delay_ms]
        lossy = [replace(plan, drop=drop) for drop in asked.drop if drop]
        other = [replace(plan, perturbation=name) for name in _perturbations(asked.perturb)]
        yield from (replace(disturbed, camera=camera) for disturbed in (*late, *lossy) for camera in frames)
        yield from other


def _perturbations(names: Sequence[str]) -> list[str]:
    return CHANGES if list(names) == ["all"] else [name for name in names if name != NONE]


def _common_settings(asked: argparse.Namespace, runs: Sequence[Path]) -> Settings:
    """Return the settings of the first run, or of the given profile, with the command line's changes."""
    if runs and asked.profile is None:
        base = load_run(runs[0] / "config.yaml") if (runs[0] / "config.yaml").is_file() else _no_run(runs[0])
    else:
        base = load_profile(profile_path(asked.profile or DEFAULT_PROFILE))
    # However a policy was trained, it is shown the nominal look unless the command line asks for more.
    nominal = "appearance.randomise=false"
    changed = [nominal, *asked.set, *([f"simulator.map={asked.map}"] if asked.map else [])]
    return override(base, changed)


def _no_run(folder: Path) -> Settings:
    near = did_you_mean(str(folder), DRIVERS)
    raise ValueError(f"{folder} is neither a run folder (no config.yaml) nor a driver ({', '.join(DRIVERS)}){near}")


def _agent(name: str, asked: argparse.Namespace, common: Settings) -> tuple[EvaluatedAgent, Settings]:
    if is_driver(name):
        return driver_agent(name, common), common
    if not (Path(name) / "config.yaml").is_file():
        _no_run(Path(name))
    # Only now: reference drivers need no torch.
    from td3_driving.evaluation.learned import learned_agent, run_settings

    own = run_settings(Path(name))
    shared = {key: getattr(common.simulator, key) for key in SHARED}
    settings = replace(own, simulator=replace(own.simulator, **shared), reward=common.reward, episode=common.episode)
    settings = replace(settings, appearance=common.appearance)
    return learned_agent(Path(name), asked.checkpoint), settings


def _write(asked: argparse.Namespace, entries: Sequence[Entry]) -> None:
    if asked.json is not None:
        documents = [document(entry.results, _about(entry), entry.camera, entry.need) for entry in entries]
        asked.json.write_text(json.dumps(bundled(documents), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if asked.html is not None:
        asked.html.write_text(html_report(entries), encoding="utf-8")


def _about(entry: Entry) -> dict[str, Any]:
    plan, importance = entry.plan, entry.inspection.importance
    return {
        "agent": entry.agent,
        "privileged": is_driver(entry.agent) and reference_driver(entry.agent).needs_others,
        "map": entry.map,
        **({} if importance is None else {"state_importance": importance.document()}),
        "plan": {name: getattr(plan, name) for name in EvaluationPlan.__dataclass_fields__},
        "frame_time": float(np.round(entry.results[0].duration / max(len(entry.results[0].log.actions), 1), 6)),
        "versions": {"td3_driving": __version__, **{name: _version(name) for name in LIBRARIES}},
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main())
