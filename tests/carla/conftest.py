# SPDX-License-Identifier: Apache-2.0
"""Sessions on a scripted server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from td3_driving.carla import session, traffic
from td3_driving.sim import roads

if TYPE_CHECKING:
    from .fake_stack import Installation, Make


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Installations whose sessions are ended with the test."""
    from .fake_stack import Installation  # It needs the package carla, without which the tests are skipped.

    made: list[Installation] = []
    monkeypatch.setattr(session, "WATCH_PERIOD", 0.05)
    # A map of this project needs no trial in another process, which takes most of the time of a start.
    monkeypatch.setattr(roads, "readable", lambda document, name: document)

    def install(**changes: Any) -> Installation:
        one = Installation(tmp_path, **changes)
        monkeypatch.setattr(traffic, "MANAGER_PORT", one.manager_port)
        made.append(one)
        return one

    yield install
    for one in made:
        one.close()
