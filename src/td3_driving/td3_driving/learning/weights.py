"""Actor weights as they travel from the learner to the policy: safetensors bytes and their SHA-256."""

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
from torch import nn

METADATA = "td3_driving"


class WeightsError(ValueError):
    """Weights are corrupt, foreign or not finite."""


@dataclass(frozen=True, slots=True)
class PolicySnapshot:
    """The actor after ``version`` updates.

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


def take_snapshot(actor: nn.Module, version: int, inserted: int, config_hash: str) -> PolicySnapshot:
    """The weights of ``actor`` as bytes.

    Raises:
        WeightsError: a weight is not finite.
    """
    metadata = {"version": str(version), "inserted": str(inserted), "config_hash": config_hash}
    data = to_bytes(actor.state_dict(), metadata)
    return PolicySnapshot(version, inserted, config_hash, sha256_of(data), data)


def to_bytes(tensors: Mapping[str, torch.Tensor], metadata: dict[str, str]) -> bytes:
    """A safetensors file image of ``tensors``; refuses non-finite values."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    _refuse_nonfinite(plain)
    # One entry only: safetensors writes several in random order, and equal weights shall have equal bytes.
    return bytes(save_tensors(plain, {METADATA: json.dumps(metadata, sort_keys=True)}))


def load_into(actor: nn.Module, data: bytes, sha256: str | None = None) -> dict[str, str]:
    """Put the weights in ``data`` into ``actor`` and return their metadata; on any error ``actor`` stays as it was.

    Raises:
        WeightsError: the hash differs, the bytes are no safetensors, a name is missing or unknown, a shape or type
            differs, or a value is not finite.
    """
    if sha256 is not None and sha256_of(data) != sha256:
        raise WeightsError(f"SHA-256 of the weights is {sha256_of(data)[:12]}…, announced was {sha256[:12]}…")
    try:
        tensors = load_tensors(data)
    except SafetensorError as error:
        raise WeightsError(f"{len(data)} bytes of weights are not readable: {error}") from error
    check_fit(tensors, actor.state_dict())
    _refuse_nonfinite(tensors)
    metadata = read_metadata(data)
    if "version" not in metadata:
        raise WeightsError("weights without a version")
    actor.load_state_dict(tensors)
    return metadata


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


def _refuse_nonfinite(tensors: Mapping[str, torch.Tensor]) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"weight {name} is not finite")
