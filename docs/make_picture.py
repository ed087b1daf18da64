# SPDX-License-Identifier: Apache-2.0
"""The picture of the README: a drive of the trained policy, in camera and on the map, and the curves of its training.

python docs/make_picture.py RUN docs/picture.png
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from td3_driving.doctor.style import COLOURS, INK
from td3_driving.evaluation.drive import EvaluationPlan, RouteStart, Watcher, evaluate
from td3_driving.evaluation.driven_scene import DrivenScene, front_camera
from td3_driving.evaluation.learned import learned_agent, run_settings
from td3_driving.runs.refusals import refuse
from td3_driving.runs.disk import require_places
from td3_driving.settings import Settings
from td3_driving.sim.camera import Camera
from td3_driving.sim.frame import WorldFrame
from td3_driving.view.overlay import draw as draw_scene
from td3_driving.view.shapes import DARK, OTHER, PATH, ROUTE

SHOWN, EVERY = 3, 20
"""Moments that are shown, evenly on the drive, and frames between two that may be one."""
WIDTH, HEIGHT = 768, 432
"""Of the shown images [px]."""
SEED = 1
"""Of the route and its traffic."""
RETURN, REPLAY_Q, ACTOR_Q = "train/episode_reward", "train/q1_value", "debug/q1_for_actor_mean"
Series = dict[str, np.ndarray]


@dataclass(frozen=True)
class Moment:
    """A camera image (height, width, 3) BGR with the scene in it; place (x, y) and predicted path (N, 2) [m]."""

    image: np.ndarray
    place: tuple[float, float]
    path: np.ndarray


@dataclass
class Drive:
    """One drive: the route and the driven way, (N, 2) each, and the borders of lanes, each (N, 2) [m]; its moments."""

    route: np.ndarray
    borders: list[np.ndarray]
    way: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    moments: list[Moment] = field(default_factory=list)

    def shown(self) -> list[Moment]:
        """The first moments stand still: the car has just begun to roll."""
        numbers = np.linspace(0.15, 0.9, SHOWN) * (len(self.moments) - 1)
        return [self.moments[round(number)] for number in numbers]


def main() -> int:
    """Draw the picture of a run.

    Returns:
        0; 2 for a folder that holds no run with a policy, or a file that cannot be written.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("picture", type=Path, help="PNG file to write")
    parser.add_argument("--seed", type=int, default=SEED, help="of the shown route (%(default)s)")
    options = parser.parse_args()
    try:
        require_places(options.picture)
        save(driven(options.run, options.seed), curves(options.run), options.picture)
    except (ValueError, OSError, RuntimeError) as error:
        return refuse(error)
    return 0


def driven(run: Path, seed: int) -> Drive:
    """The drive of the policy of ``run`` on one route."""
    own = run_settings(run)
    settings = replace(own, appearance=replace(own.appearance, randomise=False))
    drives: list[Drive] = []

    def watch(start: RouteStart) -> Watcher:
        borders = [border for lane in start.roads.lanes for border in lane.edges()]
        drives.append(Drive(start.points[:, :2], borders))
        return _watcher(settings, start, drives[-1])

    for _ in evaluate(settings, learned_agent(run, "auto"), EvaluationPlan(routes=1, seed=seed), watch):
        pass
    return drives[0]


def _watcher(settings: Settings, start: RouteStart, drive: Drive) -> Watcher:
    large = replace(settings.simulator, camera_width=WIDTH, camera_height=HEIGHT)
    scene, camera = DrivenScene(start), Camera(start.roads, WIDTH, HEIGHT, large.camera_fov)
    model = front_camera(large)

    def take(frame: WorldFrame, _: np.ndarray | None, action: np.ndarray) -> None:
        scene.take(frame, action)
        if len(scene.log.rows) % EVERY:
            return
        rendered = camera.render(frame.ego, frame.vehicles)
        image = draw_scene(rendered, scene.scene, frame.ego, model, HEIGHT)
        drive.moments.append(Moment(image, (frame.ego.x, frame.ego.y), scene.scene.path(frame.ego)[:, :2]))
        drive.way = scene.way.points[:, :2]

    return take


def curves(run: Path) -> Series:
    """Series of the run's event file, each (points, 2): step and value."""
    events = EventAccumulator(str(run), size_guidance={"scalars": 0})
    events.Reload()
    tags = (RETURN, REPLAY_Q, ACTOR_Q)
    return {tag: np.array([(event.step, event.value) for event in events.Scalars(tag)]) for tag in tags}


def save(drive: Drive, series: Series, picture: Path) -> None:
    """Camera images above; map, returns and Q below."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=(11.5, 6.2), dpi=110, layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(0.85, 1.0))
    upper.suptitle("What the car's camera sees at three moments of one drive", **HEAD)
    for number, (axes, moment) in enumerate(zip(upper.subplots(1, SHOWN), drive.shown()), 1):
        axes.imshow(moment.image[..., ::-1])
        axes.set_axis_off()
        _number(axes.text, number, (0.97, 0.93), transform=axes.transAxes)
    above, returns, values = lower.subplots(1, 3, width_ratios=(1.0, 1.0, 1.0))
    _map(above, drive)
    _returns(returns, series[RETURN])
    _values(values, series)
    figure.savefig(picture)


HEAD: dict[str, Any] = {"fontsize": 11, "fontweight": "bold", "color": INK}
GROUND = "#b5b5b5"


def _number(write: Callable[..., Any], number: int, at: tuple[float, float], **where: Any) -> None:
    box = {"boxstyle": "circle,pad=0.25", "facecolor": "white", "edgecolor": INK}
    write(*at, str(number), ha="center", va="center", fontsize=9, color=INK, bbox=box, zorder=9, **where)


def _map(axes: Any, drive: Drive) -> None:
    """Paths over the map; their colours are those in the camera images."""
    axes.set_title("The drive from above", **HEAD)
    for border in drive.borders:
        axes.plot(*border[:, :2].T, color=GROUND, linewidth=0.7)
    axes.plot(*drive.route.T, color=ROUTE, linewidth=4.5, label="route")
    axes.plot(*drive.way.T, color=DARK, linewidth=1.6, linestyle=(0, (4, 1.5)), label="driven")
    for number, moment in enumerate(drive.shown(), 1):
        axes.plot(*moment.path.T, color=PATH, linewidth=2.5, label="predicted path" if number == 1 else None, zorder=5)
        beside = np.array(moment.place) + 0.05 * np.ptp(drive.route, axis=0).max() * np.array((1.0, 1.0))
        _number(axes.text, number, tuple(beside))
    axes.plot((), (), "s", color=OTHER, markerfacecolor="none", markeredgewidth=2.0, label="other cars (above)")
    low, high = drive.route.min(axis=0), drive.route.max(axis=0)
    middle, reach = 0.5 * (low + high), 0.5 * (high - low).max() + 15.0
    axes.set(xlim=middle[0] + (-reach, reach), ylim=middle[1] + (-reach, reach), aspect="equal")
    axes.set(xticks=(), yticks=(), xlabel=f"{2.0 * reach:.0f} m")
    axes.legend(frameon=True, framealpha=0.9, fontsize=8)


def _returns(axes: Any, episodes: np.ndarray) -> None:
    axes.set_title("What its episodes earned", **HEAD)
    axes.plot(*episodes.T, "o", color=COLOURS[4], markersize=4, label="one episode")
    axes.plot(
        episodes[:, 0], running_mean(episodes[:, 1]), color=COLOURS[0], linewidth=2.0, label="mean of the last 10"
    )
    _axes(axes, "return")


def _values(axes: Any, series: Series) -> None:
    axes.set_title("How the learner valued actions", **HEAD)
    axes.plot(*series[REPLAY_Q].T, color=COLOURS[0], linewidth=3.0, label="those in the memory: Q(s, a)")
    axes.plot(
        *series[ACTOR_Q].T, color=COLOURS[1], linewidth=1.4, linestyle="--", label="those of the policy: Q(s, π(s))"
    )
    _axes(axes, "Q")


def _axes(axes: Any, what: str) -> None:
    axes.set_xlabel("environment step")
    axes.set_ylabel(what)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=8, loc="lower right")


def running_mean(values: np.ndarray, width: int = 10) -> np.ndarray:
    """Mean of the last ``width`` values at each point, (n,) to (n,)."""
    sums = np.concatenate(([0.0], np.cumsum(values)))
    first = np.maximum(np.arange(1, len(values) + 1) - width, 0)
    return (sums[1:] - sums[first]) / (np.arange(1, len(values) + 1) - first)


if __name__ == "__main__":
    sys.exit(main())
