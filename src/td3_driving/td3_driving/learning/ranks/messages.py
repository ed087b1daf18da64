# SPDX-License-Identifier: Apache-2.0
"""What rank 0 and another rank say to each other: a name, plain data, and tensors by name, as bytes."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from td3_driving.driving.experience import Experience

LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class RankMessage:
    """An order of rank 0, or the answer to it."""

    name: str
    facts: dict[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)


def pack(message: RankMessage) -> bytes:
    """Length of the JSON, the JSON, a safetensors file image."""
    head = json.dumps([message.name, message.facts]).encode()
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in message.tensors.items()}
    return LENGTH.pack(len(head)) + head + save_tensors(plain)


def unpack(data: bytes) -> RankMessage:
    """The message in ``data``.

    Raises:
        ValueError: there is none.
    """
    try:
        (length,) = LENGTH.unpack_from(data)
        body = LENGTH.size + length
        name, facts = json.loads(data[LENGTH.size : body])
        return RankMessage(str(name), dict(facts), load_tensors(data[body:]))
    except (struct.error, ValueError, TypeError, SafetensorError) as error:
        raise ValueError(f"{len(data)} bytes are no message of a rank: {error}") from error


def of_experience(experience: Experience, **facts: Any) -> RankMessage:
    """The order to store ``experience``; ``facts`` say how."""
    values = {spec.name: getattr(experience, spec.name) for spec in fields(Experience)}
    arrays = {name: torch.from_numpy(np.array(one)) for name, one in values.items() if isinstance(one, np.ndarray)}
    plain = {name: one.item() if isinstance(one, np.generic) else one for name, one in values.items()}
    return RankMessage("append", facts | {"step": {key: plain[key] for key in plain.keys() - arrays.keys()}}, arrays)


def to_experience(message: RankMessage) -> Experience:
    """The experience in :func:`of_experience`'s message."""
    arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in message.tensors.items()}
    return Experience(**message.facts["step"], **arrays)
