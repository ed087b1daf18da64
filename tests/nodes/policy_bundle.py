"""Bundles of small policies for tests."""

from __future__ import annotations

from typing import Any

import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from td3_driving.deploy.contract import contract_of
from td3_driving.learning.export import export_policy
from td3_driving.learning.networks import initialise, make_actor
from td3_driving.learning.weights import take_snapshot
from td3_driving.settings import Settings, from_flat

SMALL = {
    "simulator.map": "curves",
    "simulator.vehicles": 3,
    "simulator.camera_width": 64,
    "simulator.camera_height": 36,
    "simulator.control_timeout": 60.0,
    "observation.frame_height": 36,
    "observation.frame_width": 36,
    "observation.stack": 3,
    "network.encoder": "small",
    "network.features": 16,
    "network.hidden": 16,
    # Weights of this size let the action follow the picture, as those of a trained policy do.
    "network.action_init": 0.5,
}
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def small_settings(**changes: Any) -> Settings:
    """Settings of a tiny policy; keyword ``group__name`` overrides ``group.name``."""
    return from_flat(SMALL | {key.replace("__", "."): value for key, value in changes.items()})


def random_weights(settings: Settings, seed: int = 0) -> bytes:
    """Weights of an actor that has learned nothing."""
    actor = make_actor(settings, contract_of(settings).state_size)
    initialise(actor, torch.Generator().manual_seed(seed))
    return take_snapshot(actor, 7, 0, settings.digest()).data


def make_bundle(settings: Settings | None = None, seed: int = 0, key: Ed25519PrivateKey | None = None) -> bytes:
    """The bytes of a bundle with random weights."""
    settings = settings or small_settings()
    provenance = {"config_hash": settings.digest(), "updates": 7, "steps": 0, "doctor": None}
    return export_policy(settings, random_weights(settings, seed), provenance, key)[0]
