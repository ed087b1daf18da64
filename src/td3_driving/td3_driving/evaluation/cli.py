"""``td3-driving evaluate``: drive fixed routes with policies and reference drivers, and compare them."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from td3_driving import __version__
from td3_driving.evaluation.agents import DRIVERS, PRIVILEGED, Agent, driver_agent
from td3_driving.evaluation.drive import Plan, Watcher, evaluate
from td3_driving.evaluation.episode import ENDINGS
from td3_driving.evaluation.film import Film
from td3_driving.evaluation.leaderboard import document
from td3_driving.evaluation.over_ros import over_ros
from td3_driving.evaluation.report_html import html_report
from td3_driving.evaluation.table import Entry, print_tables
from td3_driving.settings import Settings
from td3_driving.starting.course import BAD_INPUT
from td3_driving.starting.profiles import DEFAULT_PROFILE, load_profile, override, profile_path

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
        entries = list(_entries(asked, console))
        _write(asked, entries)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    print_tables(entries, Console(highlight=False))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("td3-driving evaluate", description=__doc__)
    add = parser.add_argument
    drivers = ", ".join(DRIVERS)
    add("agents", nargs="+", metavar="RUN_OR_DRIVER", help=f"run folder, or reference driver ({drivers})")
    add("--scenario", type=int, nargs="+", default=[0], help="traffic: 0, 1, 2 = 20, 50, 100 vehicles (0)")
    add("--map", help="road network (as the run or the profile says)")
    add("--routes", type=int, default=10, help="number of routes (%(default)s)")
    add("--seed", type=int, default=0, help="of the routes and the traffic (%(default)s)")
    add("--ending", choices=ENDINGS, default=ENDINGS[0], help="where a route ends (%(default)s)")
    add("--delay-ms", type=_numbers, default=[0.0], metavar="LIST", help="delays of the frames, e.g. 0,50,100,200")
    add("--drop", type=_numbers, default=[], metavar="LIST", help="shares of lost frames, e.g. 0.01")
    add("--checkpoint", default="auto", help="best, latest, or a folder in checkpoints/ (the best, else the latest)")
    add("--profile", help=f"settings where no run is given ({DEFAULT_PROFILE})")
    add("--set", action="append", default=[], metavar="GROUP.NAME=VALUE", help="change one setting; may be repeated")
    add("--ros", action="store_true", help="over ROS: a simulator and a policy node of their own; one agent, no delay")
    add("--json", type=Path, metavar="FILE", help="write the results in the CARLA leaderboard's layout")
    add("--html", type=Path, metavar="FILE", help="write one self-contained page with figures")
    add("--gif", type=Path, metavar="FILE", help="write a film of the first agent's first route")
    return parser


def _numbers(text: str) -> list[float]:
    return [float(word) for word in text.split(",")]


def _entries(asked: argparse.Namespace, console: Console) -> Iterator[Entry]:
    """Drive everything that was asked for; the agents see the same routes and traffic."""
    runs = [Path(name) for name in asked.agents if name not in DRIVERS]
    common = _common_settings(asked, runs)
    plans = list(_plans(asked))
    film = asked.gif
    for name in asked.agents:
        agent, settings = _agent(name, asked, common)
        for plan in plans:
            console.print(f"{agent.name}: scenario {plan.scenario}, {plan.routes} routes", style="dim")
            yield _entry(agent, settings, plan, film)
            film = None


def _entry(agent: Agent, settings: Settings, plan: Plan, film: Path | None) -> Entry:
    recorder = Film(settings.simulator.fixed_delta) if film is not None else None

    def watch(route: int) -> Watcher | None:
        return recorder if route == 0 else None

    results = list(evaluate(settings, agent, plan, watch))
    if recorder is not None and film is not None:
        recorder.save(film)
    return Entry(agent.name, plan, settings.simulator.map, results, agent.eyes is not None)


def _plans(asked: argparse.Namespace) -> Iterator[Plan]:
    for scenario in asked.scenario:
        if scenario not in (0, 1, 2):
            raise ValueError(f"scenario {scenario} is outside 0 .. 2")
        plan = Plan(scenario, asked.routes, asked.seed, asked.ending)
        yield from (replace(plan, delay=1e-3 * delay) for delay in asked.delay_ms)
        yield from (replace(plan, drop=drop) for drop in asked.drop if drop)


def _common_settings(asked: argparse.Namespace, runs: Sequence[Path]) -> Settings:
    """Those of the first run unless a profile is asked for, with what the command line changes."""
    if runs and asked.profile is None:
        base = load_profile(runs[0] / "config.yaml") if (runs[0] / "config.yaml").is_file() else _no_run(runs[0])
    else:
        base = load_profile(profile_path(asked.profile or DEFAULT_PROFILE))
    # However a policy was trained, it is shown the nominal look unless the command line asks for more.
    nominal = "appearance.randomise=false"
    changed = [nominal, *asked.set, *([f"simulator.map={asked.map}"] if asked.map else [])]
    return override(base, changed)


def _no_run(folder: Path) -> Settings:
    raise ValueError(f"{folder} is neither a run folder (no config.yaml) nor a driver ({', '.join(DRIVERS)})")


def _agent(name: str, asked: argparse.Namespace, common: Settings) -> tuple[Agent, Settings]:
    if name in DRIVERS:
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
        documents = [document(entry.results, _about(entry), entry.camera) for entry in entries]
        whole = documents[0] if len(documents) == 1 else {"evaluations": documents}
        asked.json.write_text(json.dumps(whole, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if asked.html is not None:
        asked.html.write_text(html_report(entries), encoding="utf-8")


def _about(entry: Entry) -> dict[str, Any]:
    plan = entry.plan
    return {
        "agent": entry.agent,
        "privileged": entry.agent in PRIVILEGED,
        "map": entry.map,
        "plan": {name: getattr(plan, name) for name in Plan.__dataclass_fields__},
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
