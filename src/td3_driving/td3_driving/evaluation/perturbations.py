# SPDX-License-Identifier: Apache-2.0
"""Fixed changes of the camera image, to test a policy's robustness.

Each is one entry of :data:`PERTURBATIONS`. A caller dresses the camera by :meth:`Perturbation.dressed` at the start of
an episode, and passes every image through :meth:`Perturbation.image`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from td3_driving.sim.appearance import Appearance

Change = Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]
"""An image (height, width, channels) uint8 to a changed one of the same form; the first is left alone."""


@dataclass(frozen=True)
class Perturbation:
    """One change.

    Attributes:
        meaning: for people.
        change: what is done to the image.
        pitch: how far the camera is turned [rad], positive down.
    """

    meaning: str
    change: Change | None = None
    pitch: float = 0.0

    def dressed(self, appearance: Appearance) -> Appearance:
        """The appearance of an episode with the camera turned."""
        mount = replace(appearance.mount, pitch=appearance.mount.pitch + self.pitch)
        return replace(appearance, mount=mount)

    def image(self, image: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
        """A changed image of the same form (height, width, channels) uint8; a fourth channel keeps its values."""
        return image if self.change is None else self.change(image, generator)


def brighter(image: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """All colours times ``factor``, rounded, at most 255; ``image`` (height, width, channels) uint8."""
    changed = image.copy()
    changed[..., :3] = np.clip(np.round(image[..., :3] * np.float32(factor)), 0, 255).astype(np.uint8)
    return changed


def shifted(image: NDArray[np.uint8], right: int, down: int) -> NDArray[np.uint8]:
    """The image (height, width, channels) moved by whole pixels; the border pixels are repeated where it leaves off."""
    rows = np.clip(np.arange(image.shape[0]) - down, 0, image.shape[0] - 1)
    columns = np.clip(np.arange(image.shape[1]) - right, 0, image.shape[1] - 1)
    return image[rows[:, None], columns]


def salted(image: NDArray[np.uint8], share: float, generator: np.random.Generator) -> NDArray[np.uint8]:
    """A ``share`` of the pixels, drawn one by one, becomes white or black with equal probability."""
    drawn = generator.random(image.shape[:2], dtype=np.float32)
    changed = image.copy()
    changed[drawn < share, :3] = 0
    changed[drawn < share / 2.0, :3] = 255
    return changed


NONE = "none"
PERTURBATIONS: dict[str, Perturbation] = {
    NONE: Perturbation("the image as it is"),
    "bright": Perturbation("brightness + 30 %", lambda image, _: brighter(image, 1.3)),
    "dark": Perturbation("brightness - 30 %", lambda image, _: brighter(image, 0.7)),
    "pitch_up": Perturbation("camera turned up by 2 degrees", pitch=math.radians(-2.0)),
    "pitch_down": Perturbation("camera turned down by 2 degrees", pitch=math.radians(2.0)),
    "shift_left": Perturbation("image moved to the left by 5 px", lambda image, _: shifted(image, -5, 0)),
    "shift_right": Perturbation("image moved to the right by 5 px", lambda image, _: shifted(image, 5, 0)),
    "salt_pepper": Perturbation("5 % of the pixels black or white", lambda image, rng: salted(image, 0.05, rng)),
}
"""The perturbations by the name that a command line or a table uses."""


def perturbation(name: str) -> Perturbation:
    """The entry called ``name``.

    Raises:
        ValueError: there is none.
    """
    if name not in PERTURBATIONS:
        raise ValueError(f"perturb: {name!r} is not one of {', '.join(PERTURBATIONS)}")
    return PERTURBATIONS[name]
