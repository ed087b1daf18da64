# SPDX-License-Identifier: Apache-2.0
"""Fingerprints of steps and of transitions: equal to the bit or different."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.experience import Experience
from td3_driving.learning.replay import ReplayMemory

CHUNK = 256
"""Transitions gathered at once."""


def step_digest(experience: Experience) -> bytes:
    """Digest of all parts of a step that learning uses; sender and weights do not count."""
    hashed = hashlib.blake2b(digest_size=16)
    numbers = (experience.episode_id, experience.step_index, experience.terminated, experience.truncated)
    hashed.update(repr(numbers).encode())
    arrays = (experience.frame, experience.state, experience.action, experience.reward_terms)
    closing = (experience.final_frame, experience.final_state, experience.final_privileged)
    taught = (experience.privileged, experience.teacher_action)
    for array in (*arrays, np.float64(experience.reward), *closing, *taught):
        _add(hashed, array)
    return hashed.digest()


def memory_digest(memory: ReplayMemory) -> str:
    """Digest of the set of all transitions that can be sampled, in any order: SHA-256, hexadecimal."""
    slots = memory.sampleable_slots()
    single = []
    for first in range(0, len(slots), CHUNK):
        batch = memory.gather(slots[first : first + CHUNK])
        columns = (batch.window, batch.states, batch.actions, batch.rewards, batch.discounts, batch.terminated)
        more = (batch.next_states, batch.privileged, batch.next_privileged, batch.teacher_actions)
        for row in zip(*columns, *more):
            hashed = hashlib.blake2b(digest_size=32)
            for array in row:
                _add(hashed, array)
            single.append(hashed.digest())
    return hashlib.sha256(b"".join(sorted(single))).hexdigest()


def _add(hashed: hashlib.blake2b, array: NDArray[Any] | np.generic | None) -> None:
    if array is None:
        hashed.update(b"none")
        return
    hashed.update(repr((array.dtype.str, array.shape)).encode())
    hashed.update(np.ascontiguousarray(array).tobytes())
