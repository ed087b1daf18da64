# SPDX-License-Identifier: Apache-2.0
"""Shows where a policy looks: slides a grey patch over its frames and measures the change of the action (Zeiler and
Fergus 2014, Visualizing and Understanding Convolutional Networks, section 4.2)."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from td3_driving.evaluation.agents import Act, PolicyAgent
from td3_driving.evaluation.drive import EvaluationPlan, evaluate
from td3_driving.evaluation.state_importance import acting_by
from td3_driving.settings import Settings

GREY = 128
PATCH_SHARE = 6
"""A patch is a square of this part of the smaller side of the frame; it moves by half of its size."""
FRAMES = 6
"""Moments of a drive that are shown."""
HEAT = np.array((213.0, 94.0, 0.0))
STRENGTH = 0.75
"""Colour of the greatest change (red, green, blue), and how much of it covers the frame there, 0 .. 1."""
WIDTH = 240
"""Least width of a picture [px]; every pixel of a frame becomes a whole number of them."""


@dataclass(frozen=True)
class OcclusionMap:
    """One moment.

    Attributes:
        step: of the drive; frame: (height, width) uint8, the newest one of the policy.
        change: (height, width), the mean change of the action (Euclidean) under the patches that cover the pixel.
    """

    step: int
    frame: NDArray[np.uint8]
    change: NDArray[np.float64]


def occlusion(
    act: Act, stack: NDArray[np.uint8], state: NDArray[np.float32], patch: int | None = None
) -> NDArray[np.float64]:
    """How the action changes where the frames are covered, (height, width) float64.

    Args:
        stack: (planes, height, width) uint8; all planes are covered at the same place.
        patch: side of the patch [px]; a part of the frame if left out.

    Raises:
        ValueError: the patch does not fit into the frame.
    """
    height, width = stack.shape[-2:]
    side = max(1, min(height, width) // PATCH_SHARE) if patch is None else patch
    if not 1 <= side <= min(height, width):
        raise ValueError(f"a patch of {side} px does not fit into a frame of {width}x{height}")
    action = np.array(act(stack, state), dtype=np.float64)
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for top in _places(height, side):
        for left in _places(width, side):
            under = (..., slice(top, top + side), slice(left, left + side))
            covered = stack.copy()
            covered[under] = GREY
            total[under] += np.linalg.norm(act(covered, state) - action)
            count[under] += 1.0
    return total / count


def _places(length: int, side: int) -> list[int]:
    """Begins of the patches along one axis: half a patch apart, the last one at the border."""
    return sorted({*range(0, length - side + 1, max(1, side // 2)), length - side})


class Moments:
    """An act function that keeps stack and state of moments spread evenly over the drive."""

    def __init__(self, act: Act, wanted: int = FRAMES) -> None:
        self._act, self._wanted = act, wanted
        self._kept: list[tuple[int, NDArray[np.uint8], NDArray[np.float32]]] = []
        self._every = 1
        self._count = 0

    def __call__(self, stack: NDArray[np.uint8], state: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._count % self._every == 0:
            self._kept.append((self._count, stack.copy(), state.copy()))
            if len(self._kept) >= 4 * self._wanted:
                self._kept, self._every = self._kept[::2], 2 * self._every
        self._count += 1
        return self._act(stack, state)

    def chosen(self) -> list[tuple[int, NDArray[np.uint8], NDArray[np.float32]]]:
        """Step, stack and state of as many moments as are wanted, or of all there are."""
        last = len(self._kept) - 1
        places = sorted({round(place) for place in np.linspace(0, last, min(self._wanted, last + 1))})
        return [self._kept[place] for place in places]


def looks(settings: Settings, agent: PolicyAgent, plan: EvaluationPlan) -> list[OcclusionMap]:
    """Compute occlusion maps on the first route of ``plan``.

    Raises:
        ValueError: the plan cannot be driven.
    """
    moments = Moments(agent.act)
    with acting_by(agent, moments):
        list(evaluate(settings, agent, replace(plan, routes=1)))
    act = agent.act
    return [OcclusionMap(step, stack[-1], occlusion(act, stack, state)) for step, stack, state in moments.chosen()]


def overlays(seen: Sequence[OcclusionMap]) -> Iterator[NDArray[np.uint8]]:
    """A picture (rows, columns, 3) uint8, red-green-blue, of each look; all of them share one scale of colours."""
    most = max((float(look.change.max()) for look in seen), default=0.0)
    for look in seen:
        share = STRENGTH * look.change[..., None] / most if most > 0.0 else np.zeros((*look.change.shape, 1))
        mixed = (1.0 - share) * look.frame[..., None] + share * HEAT
        scale = -(-WIDTH // look.frame.shape[1])
        yield np.round(mixed).astype(np.uint8).repeat(scale, axis=0).repeat(scale, axis=1)


def data_url(picture: NDArray[np.uint8]) -> str:
    """The picture (rows, columns, 3) uint8, red-green-blue, as a PNG that a page can hold."""
    done, data = cv2.imencode(".png", picture[..., ::-1])
    if not done:
        raise ValueError(f"a picture of shape {picture.shape} cannot be written as PNG")
    return "data:image/png;base64," + base64.b64encode(data.tobytes()).decode("ascii")
