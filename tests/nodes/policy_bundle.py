# SPDX-License-Identifier: Apache-2.0
"""Bundles of small policies for tests."""

from __future__ import annotations

from typing import Any

import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from td3_driving.deploy.contract import contract_of
from td3_driving.export.to_bundle import export_policy
from td3_driving.learning.algorithms import make_actor
from td3_driving.learning.networks import initialise
from td3_driving.learning.weights import take_snapshot
from td3_driving.settings import Settings, from_flat

from ..shared import tiny

SMALL = {
    "simulator.map": "curves",
    "simulator.vehicles": 3,
    **tiny.CAMERA,
    **tiny.NETWORK,
    "simulator.control_timeout": 60.0,
    "observation.stack": 3,
    "observation.crop_top": 0.25,
    # Weights of this size let the action follow the picture, as those of a trained policy do.
    "network.action_init": 0.5,
}
torch.set_num_threads(1)  # Networks this small only wait for further threads.
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def small_settings(**changes: Any) -> Settings:
    """Settings of a tiny policy; keyword ``group__name`` overrides ``group.name``."""
    return from_flat(SMALL | {key.replace("__", "."): value for key, value in changes.items()})


def random_weights(settings: Settings, seed: int = 0) -> bytes:
    """Weights of an actor that has learned nothing."""
    actor: Any = make_actor(settings, contract_of(settings).state_size)
    initialise(actor, torch.Generator().manual_seed(seed))
    return take_snapshot(actor, 7, 0, settings.digest()).data


PURSUED = {"map": ("route point 3, left", 0.13), "sensors": ("waypoint 2, left", 0.02)}
"""By contract: the element that is steered after, and steering per metre that the point lies to the side.

That of a pure pursuit (wheelbase 2.875 m, 70 deg at full steer) for a point 6 m ahead, and for one 15 m ahead.
"""


def lane_following_weights(settings: Settings) -> bytes:
    """Weights by which the car follows its route at 5 m/s; the camera has a small say in it.

    The one hidden layer turns a point ahead, see :data:`PURSUED`, into steering, and the speed (in 10 m/s) into a
    proportional drive.
    """
    name, gain = PURSUED[settings.observation.state]
    elements = contract_of(settings).as_mapping()["inputs"]["state"]["elements"]
    point = [element["name"] for element in elements].index(name)
    steer = gain * elements[point]["divided_by"]
    actor: Any = make_actor(settings, contract_of(settings).state_size)
    initialise(actor, torch.Generator().manual_seed(0))
    hidden, output = actor.trunk[0], actor.trunk[-1]
    features = settings.network.features
    with torch.no_grad():
        hidden.weight[:3] = 0.0
        hidden.bias[:3] = 0.0
        hidden.weight[0, features + point], hidden.weight[1, features + point] = -steer, steer
        hidden.weight[2, features + 0], hidden.bias[2] = -5.0, 10.0
        output.weight *= 0.05
        output.bias.zero_()
        output.weight[:, :3] = torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]])
        output.bias[1] = -7.5
    return take_snapshot(actor, 7, 0, settings.digest()).data


def make_bundle(
    settings: Settings | None = None,
    seed: int = 0,
    key: Ed25519PrivateKey | None = None,
    weights: bytes | None = None,
) -> bytes:
    """The bytes of a bundle; its weights are random if none are given."""
    settings = settings or small_settings()
    provenance = {"config_hash": settings.digest(), "updates": 7, "steps": 0, "doctor": None}
    return export_policy(settings, weights or random_weights(settings, seed), provenance, key)[0]
