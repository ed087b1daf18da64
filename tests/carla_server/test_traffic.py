# SPDX-License-Identifier: Apache-2.0
"""Vehicles of the genuine traffic manager in the project's own town; ``tests/long`` has ten minutes of CARLA's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..carla.fake_stack import until
from .carla_host import Host
from .lit_town import lit_town
from .traffic_run import check, driven

SECONDS = 30
"""How long they drive [s]."""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A server with the town and lights at its crossing."""
    running = Host(str(lit_town(tmp_path_factory.mktemp("maps"))))
    yield running
    running.close()


@pytest.mark.slow
def test_vehicles_of_the_traffic_manager_stay_on_the_road_and_touch_nobody(town: Host, tmp_path: Path) -> None:
    check(driven(town, "lit_town", SECONDS, tmp_path), SECONDS)


@pytest.mark.slow
def test_the_registration_goes_with_the_client(town: Host, tmp_path: Path) -> None:
    driven(town, "lit_town", 1, tmp_path)
    until(lambda: town.ask("len(simulation.managers)") == 0, "end of the registration")
