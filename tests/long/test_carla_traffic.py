# SPDX-License-Identifier: Apache-2.0
"""Twenty vehicles of the genuine traffic manager drive ten minutes in CARLA's first town."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..carla_server.carla_host import Host
from ..carla_server.traffic_run import check, driven

pytest.importorskip("carla", reason="the package carla is not installed")
pytest.importorskip("msgpack", reason="the library msgpack is not installed")
pytestmark = pytest.mark.long
SECONDS = 600


def test_ten_minutes_of_traffic_stay_on_the_road(shared_data: Path, tmp_path: Path) -> None:
    map_file = shared_data / "carla_towns" / "Town01.xodr"
    if not map_file.is_file():
        pytest.skip("the map of Town01 is not at hand")
    host = Host(str(map_file))
    try:
        found = driven(host, "Town01", SECONDS, tmp_path)
    finally:
        host.close()
    print(found)
    check(found, SECONDS)
