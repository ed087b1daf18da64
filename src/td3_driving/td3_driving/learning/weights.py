# SPDX-License-Identifier: Apache-2.0
"""Actor weights as they travel from the learner to the policy: safetensors bytes and their SHA-256.

The frozen weights of an encoder travel once, by themselves. The trained weights name the SHA-256 of the frozen ones
that they belong to.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from typing import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from td3_driving.learning.host_copy import host_copies
from td3_driving.learning.networks import Network

METADATA = "td3_driving"
FROZEN = "frozen"
"""Metadata of trained weights: SHA-256 of the frozen ones they need."""


MOST_DIGITS = 18
"""Most digits of a version."""


class WeightsError(ValueError):
    """Weights are corrupt, foreign or not finite."""


@dataclass(frozen=True, slots=True)
class PolicySnapshot:
    """Weights of the actor after ``version`` updates; of frozen weights ``version`` and ``inserted`` are 0.

    Attributes:
        version: updates of the critic done when the weights were taken.
        inserted: environment steps in the replay memory by then.
        config_hash: :meth:`td3_driving.settings.Settings.digest` of the learner.
        sha256: hexadecimal SHA-256 of ``data``.
        data: safetensors file image.
    """

    version: int
    inserted: int
    config_hash: str
    sha256: str
    data: bytes


@dataclass(frozen=True, slots=True)
class FitWeights:
    """Weights that were read and checked for one network.

    Attributes:
        tensors: by name.
        version: updates behind them.
        metadata: as it was packed with them.
        trained: only the weights that change.
    """

    tensors: Mapping[str, torch.Tensor]
    version: int
    metadata: dict[str, str]
    trained: bool


def take_snapshot(actor: Network, version: int, inserted: int, config_hash: str) -> PolicySnapshot:
    """All weights of ``actor`` as bytes.

    Raises:
        WeightsError: a weight is not finite.
    """
    return _snapshot(actor.state_dict(), version, inserted, config_hash)


def take_trained(actor: Network, frozen: str, version: int, inserted: int, config_hash: str) -> PolicySnapshot:
    """The weights of ``actor`` that change, as bytes; ``frozen`` is the SHA-256 of the others, "" without any.

    Raises:
        WeightsError: a weight is not finite.
    """
    return _snapshot(actor.trained_state(), version, inserted, config_hash, frozen)


def take_frozen(actor: Network, config_hash: str) -> PolicySnapshot | None:
    """The frozen weights of ``actor`` as bytes; ``None`` where it has none."""
    frozen = actor.frozen_state()
    if not frozen:
        return None
    # Without metadata: equal weights have equal hashes, whatever the run.
    data = to_bytes(frozen, {})
    return PolicySnapshot(0, 0, config_hash, sha256_of(data), data)


def frozen_hash(actor: Network) -> str:
    """SHA-256 of the frozen weights, as :func:`take_frozen` states it; "" where there are none."""
    frozen = take_frozen(actor, "")
    return frozen.sha256 if frozen else ""


def to_bytes(tensors: Mapping[str, torch.Tensor], metadata: dict[str, str]) -> bytes:
    """A safetensors file image of ``tensors``; refuses non-finite values."""
    plain = host_copies(tensors)
    _refuse_nonfinite(plain)
    # One entry only: safetensors writes several in random order, and equal weights must have equal bytes.
    return bytes(save_tensors(plain, {METADATA: json.dumps(metadata, sort_keys=True)}))


def load_into(actor: Network, data: bytes, sha256: str | None = None, frozen: str = "") -> dict[str, str]:
    """Put the weights in ``data`` into ``actor`` and return their metadata; on any error ``actor`` stays as it was.

    Args, Raises: see :func:`fit`.
    """
    weights = fit(actor, data, sha256, frozen)
    put(actor, weights)
    return weights.metadata


def put(actor: Network, weights: FitWeights) -> None:
    """Put weights that :func:`fit` has checked into ``actor``."""
    actor.load_state_dict(weights.tensors, strict=not weights.trained)


def fit(
    actor: Network, data: bytes, sha256: str | None = None, frozen: str = "", version: int | None = None
) -> FitWeights:
    """Read the weights in ``data`` and check that ``actor`` can take them.

    Args:
        data: of :func:`take_snapshot` or :func:`take_trained`.
        frozen: SHA-256 of the frozen weights that ``actor`` holds.
        version: that they must have; any if left out.

    Raises:
        WeightsError: the hash differs, the bytes are no safetensors, a name is missing or unknown, a shape or type
            differs, a value is not finite, trained weights need other frozen ones, or the version is no number or
            another one.
    """
    tensors = _read(data, sha256)
    metadata = _metadata_of(data)
    needed = metadata.get(FROZEN, "")
    if needed and needed != frozen:
        raise WeightsError(f"the weights belong to frozen weights {needed[:12]}…, those here are {frozen[:12]}…")
    check_fit(tensors, actor.trained_state() if needed else actor.state_dict())
    _refuse_nonfinite(tensors)
    return FitWeights(tensors, _version(metadata, version), metadata, bool(needed))


def load_frozen(actor: Network, data: bytes, sha256: str | None = None) -> None:
    """Put the frozen weights in ``data`` into ``actor``; on any error it stays as it was.

    Raises:
        WeightsError: see :func:`fit`.
    """
    tensors = _read(data, sha256)
    check_fit(tensors, actor.frozen_state())
    _refuse_nonfinite(tensors)
    actor.load_state_dict(tensors, strict=False)


def needed_frozen(data: bytes) -> str:
    """SHA-256 of the frozen weights that ``data`` needs; "" if it needs none or is not readable."""
    try:
        return read_metadata(data).get(FROZEN, "")
    except (ValueError, TypeError, AttributeError, struct.error):
        return ""


def whole(actor: Network, data: bytes) -> bytes:
    """``data`` as :func:`take_snapshot` would have packed it: the frozen weights of ``actor`` added if it needs any."""
    metadata = read_metadata(data)
    if not metadata.pop(FROZEN, ""):
        return data
    return to_bytes({**load_tensors(data), **actor.frozen_state()}, metadata)


def check_fit(tensors: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> None:
    """Raise :class:`WeightsError` unless names, shapes and types of ``tensors`` are those of ``wanted``."""
    missing, unknown = sorted(set(wanted) - set(tensors)), sorted(set(tensors) - set(wanted))
    if missing or unknown:
        raise WeightsError(f"weights do not fit the network: missing {missing}, unknown {unknown}")
    for name, tensor in sorted(tensors.items()):
        expected = wanted[name]
        if tensor.shape != expected.shape or tensor.dtype != expected.dtype:
            raise WeightsError(
                f"weight {name} is {tuple(tensor.shape)} {tensor.dtype}, "
                f"the network has {tuple(expected.shape)} {expected.dtype}"
            )


def read_metadata(data: bytes) -> dict[str, str]:
    """The metadata given to :func:`to_bytes`, from the header of the file image (length word, JSON header, tensors)."""
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    return dict(json.loads(header.get("__metadata__", {}).get(METADATA, "{}")))


def sha256_of(data: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def _metadata_of(data: bytes) -> dict[str, str]:
    try:
        return read_metadata(data)
    except (ValueError, TypeError, AttributeError, struct.error) as error:
        raise WeightsError(f"the metadata of the weights is not readable: {error}") from error


def _version(metadata: Mapping[str, str], wanted: int | None) -> int:
    if "version" not in metadata:
        raise WeightsError("weights without a version")
    text = str(metadata["version"])
    # int() takes signs, blanks and underscores, and refuses thousands of digits with an error of its own.
    if not (text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS):
        raise WeightsError(f"version {text[:40]!r} of the weights is no number of updates")
    if wanted is not None and int(text) != wanted:
        raise WeightsError(f"the weights are of version {text}, announced was {wanted}")
    return int(text)


def _snapshot(
    tensors: Mapping[str, torch.Tensor], version: int, inserted: int, config_hash: str, frozen: str = ""
) -> PolicySnapshot:
    metadata = {"version": str(version), "inserted": str(inserted), "config_hash": config_hash}
    if frozen:
        metadata[FROZEN] = frozen
    data = to_bytes(tensors, metadata)
    return PolicySnapshot(version, inserted, config_hash, sha256_of(data), data)


def _read(data: bytes, sha256: str | None) -> dict[str, torch.Tensor]:
    if sha256 is not None and sha256_of(data) != sha256:
        raise WeightsError(f"SHA-256 of the weights is {sha256_of(data)[:12]}…, announced was {sha256[:12]}…")
    try:
        return dict(load_tensors(data))
    except SafetensorError as error:
        raise WeightsError(f"{len(data)} bytes of weights are not readable: {error}") from error


def _refuse_nonfinite(tensors: Mapping[str, torch.Tensor]) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"weight {name} is not finite")
