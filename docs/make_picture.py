# SPDX-License-Identifier: Apache-2.0
"""The picture of the README: what the car's camera sees while the trained policy drives, beside the learning curve.

python docs/make_picture.py RUN docs/picture.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from td3_driving.driving.drivers import Situation
from td3_driving.driving.observation import Observation
from td3_driving.driving.pilot import Pilot
from td3_driving.driving.state_vector import state_dim
from td3_driving.in_process.run import PilotedWorld
from td3_driving.learning.inference import ActorPolicy
from td3_driving.learning.trainer import Trainer
from td3_driving.runs.profiles import load_profile
from td3_driving.settings import Settings, from_flat

FIRST, EVERY, SHOWN = 60, 70, 3
"""The frame of the first camera image, the frames between two, and how many are shown."""
PIXELS = {"simulator.camera_width": 768, "simulator.camera_height": 432}
SEED = 3


def main() -> None:
    """Draw the picture of a run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("picture", type=Path, help="PNG file to write")
    options = parser.parse_args()
    settings = load_profile(options.run / "config.yaml")
    draw(camera_images(settings, options.run), curves(options.run), options.picture)


def camera_images(settings: Settings, run: Path) -> list[np.ndarray]:
    """Images (height, width, 3) RGB of one episode that the newest checkpoint of ``run`` drives."""
    policy = ActorPolicy(settings, state_dim(settings.observation))
    version = policy.load(Trainer(settings, run, state_dim(settings.observation)).weights().data)

    def choose(observation: Observation, _: Situation) -> tuple[np.ndarray, int]:
        return policy.act(observation.stack, observation.state), version

    pilot = Pilot(settings, "picture", 0, choose)
    scene, large = PilotedWorld(settings), PilotedWorld(from_flat(PIXELS, settings))
    scene.start(pilot, SEED)
    images: list[np.ndarray] = []
    for number in range(FIRST + EVERY * SHOWN):
        frame, time_step = scene.look(pilot)
        if number >= FIRST and (number - FIRST) % EVERY == 0:
            images.append(large.camera.render(frame.ego, frame.vehicles)[:, :, 2::-1].copy())
        scored = pilot.score(time_step, bool(frame.collisions))
        if scored is not None and scored.exit_reason is not None:
            break
        scene.act(pilot, time_step)
    return images


def curves(run: Path) -> dict[str, np.ndarray]:
    """Series of the run's event file, each (points, 2): step and value."""
    events = EventAccumulator(str(run), size_guidance={"scalars": 0})
    events.Reload()
    tags = ("train/episode_reward", "episode/route_completion", "train/q1_value", "debug/q1_for_actor_mean")
    return {tag: np.array([(event.step, event.value) for event in events.Scalars(tag)]) for tag in tags}


def draw(images: list[np.ndarray], series: dict[str, np.ndarray], picture: Path) -> None:
    """Camera images on the left, return and Q on the right."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=(11, 5.2), dpi=110, layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(0.8, 1.0))
    for axes, image in zip(np.atleast_1d(left.subplots(len(images), 1)), images):
        axes.imshow(image)
        axes.set_axis_off()
    upper, lower = right.subplots(2, 1, sharex=True)
    episodes = series["train/episode_reward"]
    upper.plot(episodes[:, 0], episodes[:, 1], ".", color="#9bb7d4", markersize=4)
    upper.plot(episodes[:, 0], running_mean(episodes[:, 1]), color="#1f4e79")
    upper.set_ylabel("return of an episode")
    for tag, label, colour in (
        ("debug/q1_for_actor_mean", "Q(s, π(s)) as the actor sees it", "#c0504d"),
        ("train/q1_value", "Q(s, a) on the replay", "#1f4e79"),
    ):
        lower.plot(series[tag][:, 0], series[tag][:, 1], label=label, color=colour)
    lower.set_ylabel("Q")
    lower.set_xlabel("environment step")
    lower.legend(frameon=False)
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    figure.savefig(picture)


def running_mean(values: np.ndarray, width: int = 10) -> np.ndarray:
    """Mean of the last ``width`` values at each point, (n,) to (n,)."""
    sums = np.concatenate(([0.0], np.cumsum(values)))
    first = np.maximum(np.arange(1, len(values) + 1) - width, 0)
    return (sums[1:] - sums[first]) / (np.arange(1, len(values) + 1) - first)


if __name__ == "__main__":
    main()
