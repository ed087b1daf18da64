# SPDX-License-Identifier: Apache-2.0
"""The best policy of a run so far, by its driving score: ``checkpoints/best`` with the actor and its evaluation.

``actor.safetensors`` is the file image of :func:`td3_driving.learning.weights.take_snapshot`; ``evaluation.json``
states its SHA-256, the hash of the configuration and the scores. Only a better policy replaces it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from td3_driving.learning.checkpoint import CheckpointError
from td3_driving.learning.weights import sha256_of

BEST = "best"
SCORE = "driving_score"


def keep_if_better(checkpoints: Path, weights: bytes, config_hash: str, evaluation: Mapping[str, Any]) -> bool:
    """Keep ``weights`` as the best, unless a policy with at least their driving score is kept already.

    If the process dies half-way, the old one or the whole new one is left.

    Args:
        evaluation: plain data; ``driving_score`` decides.

    Raises:
        OSError: the folder cannot be written to.
    """
    if float(evaluation[SCORE]) <= best_score(checkpoints):
        return False
    building = checkpoints / f".building-{BEST}"
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    (building / "actor.safetensors").write_bytes(weights)
    document = {**evaluation, "config_hash": config_hash, "sha256": sha256_of(weights)}
    (building / "evaluation.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    old = checkpoints / f".old-{BEST}"
    shutil.rmtree(old, ignore_errors=True)
    if (checkpoints / BEST).exists():
        os.replace(checkpoints / BEST, old)
    os.replace(building, checkpoints / BEST)
    shutil.rmtree(old, ignore_errors=True)
    return True


def best_score(checkpoints: Path) -> float:
    """Driving score of the policy that is kept; minus infinity if there is none that can be read."""
    try:
        return float(json.loads((checkpoints / BEST / "evaluation.json").read_text(encoding="utf-8"))[SCORE])
    except (OSError, ValueError, KeyError, TypeError):
        return float("-inf")


def best_weights(checkpoints: Path, config_hash: str) -> bytes:
    """The actor that is kept.

    Raises:
        CheckpointError: there is none, it is corrupt, or it belongs to another configuration.
    """
    path = checkpoints / BEST
    try:
        document = json.loads((path / "evaluation.json").read_text(encoding="utf-8"))
        weights = (path / "actor.safetensors").read_bytes()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not readable: {error}") from error
    if document.get("config_hash") != config_hash or document.get("sha256") != sha256_of(weights):
        raise CheckpointError(f"{path} is corrupt or belongs to another configuration")
    return weights
