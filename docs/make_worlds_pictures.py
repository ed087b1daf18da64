# SPDX-License-Identifier: Apache-2.0
"""The pictures of the guide to worlds: twelve drawn appearances of one view, and twelve drawn road networks.

python docs/make_worlds_pictures.py docs/appearances.png docs/networks.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import matplotlib
import numpy as np

from td3_driving.settings import AppearanceSettings, SimulatorSettings
from td3_driving.sim.appearance import episode_appearance
from td3_driving.sim.camera import Camera
from td3_driving.sim.roads import load_map
from td3_driving.sim.world import World

SHOWN, COLUMNS = 12, 3
WIDTH, HEIGHT, FOV = 256, 144, 90.0
EPISODE, FRAMES = 7, 120
"""Seed of the episode on the town that is shown, and frames from its start."""


def main() -> None:
    """Draw both pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("appearances", type=Path, help="PNG file to write")
    parser.add_argument("networks", type=Path, help="PNG file to write")
    options = parser.parse_args()
    cv2.imwrite(str(options.appearances), appearances())
    networks(options.networks)


def appearances() -> np.ndarray:
    """One view of the town in the nominal look and in eleven drawn ones, (4 rows, 3 columns), blue-green-red."""
    world = World(SimulatorSettings(map="town", parked_cars=0.3), 0)
    world.reset(0, EPISODE)
    for _ in range(FRAMES):
        frame = world.tick()
    camera, tiles = Camera(world.roads, WIDTH, HEIGHT, FOV), []
    for seed in range(SHOWN):
        camera.dress(episode_appearance(AppearanceSettings(randomise=seed > 0), 0, seed))
        tiles.append(camera.render(frame.ego, frame.vehicles)[..., :3].copy())
    camera.close()
    rows = [np.hstack(tiles[first : first + COLUMNS]) for first in range(0, SHOWN, COLUMNS)]
    return np.vstack(rows)


def networks(picture: Path) -> None:
    """The lanes of the networks ``drawn:0`` to ``drawn:11``, each with a bar of 100 m."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(SHOWN // 4, 4, figsize=(11, 7.6), dpi=90, layout="constrained")
    for seed, place in enumerate(axes.flat):
        roads = load_map(f"drawn:{seed}")
        for lane in roads.lanes:
            colour = "#c0504d" if lane.junction >= 0 else "#1f4e79"
            place.plot(*lane.points.T, color=colour, linewidth=0.8)
        low, left = roads.sample_y.min() - 30.0, roads.sample_x.min()
        place.plot((left, left + 100.0), (low, low), color="black", linewidth=2.0)
        place.set_title(f"drawn:{seed}", fontsize=9)
        place.set_aspect("equal")
        place.set_axis_off()
    figure.savefig(picture)


if __name__ == "__main__":
    main()
