# SPDX-License-Identifier: Apache-2.0
"""The appearance of an episode, drawn from a seed: light, colours, camera mount, sensor blur and noise.

Pictures that differ in everything but the road teach a policy to look at the road: domain randomisation (Tobin et al.,
Domain randomization for transferring deep neural networks from simulation to the real world, IROS 2017).
"""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass

import numpy as np

from td3_driving.driving.seeding import appearance_generator, evaluation_seed
from td3_driving.settings import AppearanceSettings, Settings
from td3_driving.sim.sensor import PERFECT, Optics
from td3_driving.sim.surfaces import INDEX, NOMINAL_COLOURS, NOMINAL_LOOK, Colour, Light, Look

WIDEST = 150.0
"""A field of view is at most this [deg], and at least 10."""
CLOUD: Colour = (0.72, 0.74, 0.77)
"""Colour of an overcast sky."""
DRY: Colour = (0.56, 0.49, 0.31)
"""Colour of grass without rain, and of bare soil."""
PLAIN_PAINT = 0.6
"""Share of cars that are white, grey or black; the others have a hue."""


@dataclass(frozen=True)
class Mount:
    """Where the camera sits and looks, against its nominal place and direction (REP 103 axes).

    Attributes:
        height: up [m]; lateral: to the left [m].
        pitch: positive looks down [rad].
        fov: of the horizontal field of view [deg].
    """

    height: float = 0.0
    lateral: float = 0.0
    pitch: float = 0.0
    fov: float = 0.0

    def fov_of(self, nominal: float) -> float:
        """The horizontal field of view of a camera that nominally has ``nominal`` [deg]."""
        return nominal if self.fov == 0.0 else min(max(nominal + self.fov, 10.0), WIDEST)


@dataclass(frozen=True)
class Appearance:
    """How one episode looks."""

    look: Look = NOMINAL_LOOK
    mount: Mount = Mount()
    optics: Optics = PERFECT


NOMINAL = Appearance()
"""The nominal appearance: the same for every episode."""


def episode_appearance(settings: AppearanceSettings, scenario: int, seed: int) -> Appearance:
    """Return the appearance of the episode of a scenario and seed: nominal unless ``settings`` ask for more."""
    return draw(settings, appearance_generator(scenario, seed)) if settings.randomise else NOMINAL


def training_appearance(settings: Settings, scenario: int, seed: int) -> Appearance:
    """Return the appearance in a training; its evaluations, known by their seeds, look nominal."""
    asked = settings.evaluation
    routes = range(asked.routes if asked.interval else 0)
    if any(seed == evaluation_seed(asked.seed, route) for route in routes):
        return NOMINAL
    return episode_appearance(settings.appearance, scenario, seed)


def draw(settings: AppearanceSettings, generator: np.random.Generator) -> Appearance:
    """An appearance within the ranges of ``settings``, whether they ask for one or not.

    A range of zero leaves its part nominal, and changes nothing about the other parts.
    """
    parts = [np.random.default_rng(seed) for seed in generator.integers(2**63, size=4)]
    overcast = settings.overcast * parts[0].uniform()
    look = Look(
        colours=_colours(settings, overcast, parts[1]),
        window=_varied(NOMINAL_LOOK.window, settings.colours, parts[1]),
        light=_light(settings, overcast, parts[0]),
        brightness=1.0 + _around(settings.brightness, parts[0]),
        contrast=1.0 + _around(settings.contrast, parts[0]),
    )
    return Appearance(look, _mount(settings, parts[2]), _optics(settings, parts[3]))


def _around(greatest: float, generator: np.random.Generator) -> float:
    return greatest * float(generator.uniform(-1.0, 1.0))


def _light(settings: AppearanceSettings, overcast: float, generator: np.random.Generator) -> Light:
    """Draw a sun at any azimuth, at a height within the range; clouds scatter a part of its light."""
    nominal = Light()
    azimuth = generator.uniform(-math.pi, math.pi)
    elevation = math.radians(generator.uniform(settings.sun_lowest, max(settings.sun_lowest, settings.sun_highest)))
    level = math.cos(elevation)
    strength, warmth = 1.0 + _around(settings.light, generator), _around(settings.warmth, generator)
    return Light(
        sun=(level * math.cos(azimuth), level * math.sin(azimuth), math.sin(elevation)),
        ambient=nominal.ambient + 0.6 * overcast * nominal.direct,
        direct=(1.0 - overcast) * nominal.direct,
        upward=nominal.upward,
        gain=(strength * (1.0 + warmth), strength, strength * (1.0 - warmth)),
    )


def _colours(settings: AppearanceSettings, overcast: float, generator: np.random.Generator) -> tuple[Colour, ...]:
    """Every surface with a lightness and a hue of its own; what is mixed of others follows them."""
    colours = {name: _varied(NOMINAL_COLOURS[place], settings.colours, generator) for name, place in INDEX.items()}
    # Paint on the road wears off, and never shines brighter than new.
    worn = 1.0 - settings.colours * generator.uniform()
    for name in ("white", "yellow"):
        colours[name] = _scaled(NOMINAL_COLOURS[INDEX[name]], worn)
    colours["grass"] = _mixed(colours["grass"], DRY, min(1.0, 2.0 * settings.colours) * generator.uniform())
    _sky(colours, overcast)
    _paints(colours, settings.car_colours, generator)
    for name in ("headlight", "taillight"):
        colours[name] = NOMINAL_COLOURS[INDEX[name]]
    return tuple(colours[name] for name in INDEX)


def _sky(colours: dict[str, Colour], overcast: float) -> None:
    """The gradients from the horizon to the zenith and to the camera's feet, as in the nominal look."""
    haze = colours["haze"] = _mixed(colours["haze"], CLOUD, overcast)
    zenith = colours["zenith"] = _mixed(colours["zenith"], CLOUD, 0.85 * overcast)
    colours["low_sky"], colours["high_sky"] = _mixed(haze, zenith, 0.17), _mixed(haze, zenith, 0.55)
    colours["hills"] = _mixed(colours["hills"], haze, 0.5 * overcast)
    colours["near_plain"], colours["far_plain"] = (
        _mixed(colours["grass"], haze, 0.24),
        _mixed(colours["grass"], haze, 0.68),
    )


def _paints(colours: dict[str, Colour], share: float, generator: np.random.Generator) -> None:
    """Paints of cars: a share of them is drawn anew, most of these without a hue, as on the road."""
    names = [name for name in INDEX if name.startswith("paint_")]
    for name in names:
        chosen, plain, hue, saturation, value = generator.uniform(size=5)
        full = 0.0 if plain < PLAIN_PAINT else 0.4 + 0.5 * saturation
        drawn = colorsys.hsv_to_rgb(hue, full, 0.08 + 0.85 * value)
        colours[name] = drawn if chosen < share else NOMINAL_COLOURS[INDEX[name]]


def _varied(colour: Colour, greatest: float, generator: np.random.Generator) -> Colour:
    """Lighter or darker by up to a share ``greatest``, and its red, green and blue by a third of that each."""
    lightness, *tints = generator.uniform(-1.0, 1.0, 4)
    red, green, blue = (
        min(max(part * (1.0 + greatest * lightness) * (1.0 + greatest / 3.0 * tint), 0.0), 1.0)
        for part, tint in zip(colour, tints)
    )
    return red, green, blue


def _scaled(colour: Colour, factor: float) -> Colour:
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


def _mixed(colour: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = ((1.0 - share) * a + share * b for a, b in zip(colour, other))
    return red, green, blue


def _mount(settings: AppearanceSettings, generator: np.random.Generator) -> Mount:
    return Mount(
        height=_around(settings.camera_height, generator),
        lateral=_around(settings.camera_lateral, generator),
        pitch=math.radians(_around(settings.camera_pitch, generator)),
        fov=_around(settings.camera_fov, generator),
    )


def _optics(settings: AppearanceSettings, generator: np.random.Generator) -> Optics:
    blurred, blur, noisy, noise = generator.uniform(size=4).tolist()
    return Optics(
        blur=settings.blur * blur if blurred < settings.blurred else 0.0,
        noise=settings.noise * noise if noisy < settings.noisy else 0.0,
        seed=int(generator.integers(2**31)),
    )
