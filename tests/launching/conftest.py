# SPDX-License-Identifier: Apache-2.0
"""Launch files against stand-ins."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from ..shared import launch_stand_in


@pytest.fixture
def load_launch_file(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Loads ``launch/NAME.launch.py`` as a module."""
    return partial(launch_stand_in.load_launch_file, monkeypatch=monkeypatch)
