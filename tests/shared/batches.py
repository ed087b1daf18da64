# SPDX-License-Identifier: Apache-2.0
"""The observations of a batch, cut from its window of frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from td3_driving.learning.batch import Batch


def frames(batch: Batch) -> NDArray[np.uint8]:
    """(B, channels, height, width) of the observations."""
    return batch.window[:, : batch.channels]


def next_frames(batch: Batch) -> NDArray[np.uint8]:
    """(B, channels, height, width) of the next observations."""
    return batch.window[:, -batch.channels :]
