# SPDX-License-Identifier: Apache-2.0
"""In place of OpenCV where it is not installed: the learner can be imported, and no image can be worked on."""

from __future__ import annotations


def __getattr__(name: str) -> int:
    """Any constant."""
    if name.startswith("__"):
        raise AttributeError(name)
    return 0
