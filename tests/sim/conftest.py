# SPDX-License-Identifier: Apache-2.0
"""What tests of maps share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from td3_driving.sim.roads import RoadMap, load_map

Load = Callable[[str | bytes], RoadMap]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Writes a document to a file and loads it."""

    def loaded(data: str | bytes) -> RoadMap:
        path = tmp_path / "map.xodr"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return load_map(str(path))

    return loaded


def told(roads: RoadMap) -> str:
    """All notes on a map."""
    return "; ".join(str(note) for note in roads.notes)
