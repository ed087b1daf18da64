# SPDX-License-Identifier: Apache-2.0
"""Groups of settings of the embedded simulator: its world, and how that looks."""

from __future__ import annotations

from dataclasses import dataclass

from td3_driving.bounded import Bounded, flag, number, text


@dataclass(frozen=True)
class SimulatorSettings(Bounded):
    """The embedded simulator and its camera."""

    map: str = text(
        "curves",
        "road network: straight, curves, town, roundabout, the path of an OpenDRIVE file; or drawn from a seed: "
        "drawn:7, or drawn:0-9 for ten, of which each episode takes one; parts joined by + share the episodes equally",
    )
    route: str = text("auto", "auto (drawn from the seed) or 'x y x y': start and goal, as the map's file counts [m]")
    scenario: int = number(0, 0, 3, "traffic: 0, 1, 2 = 20, 50, 100 vehicles; 3 = practice, see docs/worlds.md")
    practice: float = number(0.0, 0.0, 1.0, "share of the training's episodes in scenario 3; evaluations have none")
    vehicles: int = number(-1, -1, 200, "vehicles beside the ego; -1 takes the scenario's number")
    hard_braking: float = number(0.0, 0.0, 60.0, "how often another vehicle brakes hard for no reason", "1/min")
    pushing_in: float = number(0.0, 0.0, 1.0, "share of junctions that another vehicle enters right before the ego")
    parked_cars: float = number(0.0, 0.0, 1.0, "share of the places at the road side in which a car is parked")
    fixed_delta: float = number(0.05, 0.005, 0.1, "simulated time of one frame", "s")
    camera_width: int = number(256, 32, 1920, "width of the camera image", "px")
    camera_height: int = number(144, 32, 1080, "height of the camera image", "px")
    camera_fov: float = number(90.0, 20.0, 150.0, "horizontal field of view of the camera", "deg")
    wait_for_control: bool = flag(True, "wait for a command after every frame, as the bridge's lockstep does")
    control_timeout: float = number(1.0, 0.1, 600.0, "wall time of that wait; 1 s is the bridge's own", "s")
    real_time_factor: float = number(0.0, 0.0, 100.0, "simulated seconds per wall second; 0 = as fast as it goes")


@dataclass(frozen=True)
class AppearanceSettings(Bounded):
    """How far the look of an episode may be from the nominal one, where it is drawn anew for every episode."""

    randomise: bool = flag(False, "draw light, colours, camera mounting and sensor anew for every episode")
    sun_lowest: float = number(15.0, 1.0, 90.0, "least height of the sun over the horizon", "deg")
    sun_highest: float = number(75.0, 1.0, 90.0, "greatest height of the sun; its direction is any", "deg")
    overcast: float = number(1.0, 0.0, 1.0, "greatest share of the sun and of the blue sky that clouds take")
    light: float = number(0.35, 0.0, 0.9, "greatest change of the strength of the light, as a share")
    warmth: float = number(0.1, 0.0, 0.3, "greatest change of red against green and of green against blue, as a share")
    colours: float = number(
        0.35, 0.0, 0.9, "greatest change of the colour of road, markings, grass and houses, as a share"
    )
    car_colours: float = number(1.0, 0.0, 1.0, "share of the colours of cars that are drawn anew")
    camera_height: float = number(0.25, 0.0, 1.0, "greatest change of the height of the camera", "m")
    camera_lateral: float = number(0.15, 0.0, 0.8, "greatest shift of the camera to the left or right", "m")
    camera_pitch: float = number(2.0, 0.0, 5.0, "greatest turn of the camera up or down", "deg")
    camera_fov: float = number(4.0, 0.0, 20.0, "greatest change of the horizontal field of view", "deg")
    brightness: float = number(0.25, 0.0, 0.9, "greatest change of the brightness of the image, as a share")
    contrast: float = number(0.2, 0.0, 0.9, "greatest change of the contrast of the image, as a share")
    blurred: float = number(0.25, 0.0, 1.0, "share of the episodes whose image is blurred")
    blur: float = number(0.7, 0.0, 0.8, "greatest standard deviation of the blur of the image", "px")
    noisy: float = number(0.5, 0.0, 1.0, "share of the episodes whose image has noise")
    noise: float = number(8.0, 0.0, 60.0, "greatest standard deviation of the noise of a pixel", "grey levels")
