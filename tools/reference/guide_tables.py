# SPDX-License-Identifier: Apache-2.0
"""The tables of the guides that the code fills in. A guide marks the place of each by its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from td3_driving.carla.versions import VERSIONS
from td3_driving.conformance.checks import CHECKS
from td3_driving.driving.drivers import DRIVERS
from td3_driving.driving.privileged import privileged_elements
from td3_driving.driving.state_vector import StateElement, state_elements
from td3_driving.live.entities import ENTITIES
from td3_driving.settings import ObservationSettings
from tools.reference.gate_tables import gate_modes, gate_stops
from tools.reference.markdown import code, plain, table
from tools.reference.protections import protection_table

DOCS = Path(__file__).resolve().parents[2] / "docs"
PLACE = re.compile(r"<!-- table: (\w+) -->\n.*?<!-- end of table -->", re.DOTALL)
"""Where a table belongs, by its name."""


def check_table() -> str:
    """The conformance checks, in their order."""
    return table(("check", "looks at"), ((code(check.id), plain(check.meaning)) for check in CHECKS.values()))


def driver_table() -> str:
    """The reference drivers."""
    told = {True: "; **privileged**: it is told where the others are", False: ""}
    rows = ((code(name), driver.meaning + told[driver.needs_others]) for name, driver in DRIVERS.items())
    return table(("name", "what it is"), rows)


def version_table() -> str:
    """The releases of CARLA, and what runs beside each."""
    head = ("CARLA", "client wheels for Python", "ROS 2", "the published bridge")
    rows = ((name, ", ".join(one.pythons), ", ".join(one.distributions), one.bridge) for name, one in VERSIONS.items())
    return table(head, rows)


def element_table(elements: Iterable[StateElement]) -> str:
    """The elements of a vector, in their order."""
    rows = ((str(index), one.name, one.unit, f"{one.scale:.4g}", one.source) for index, one in enumerate(elements))
    return table(("#", "element", "unit", "divided by", "from"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "carla_versions": version_table,
    "checks": check_table,
    "drivers": driver_table,
    "entities": lambda: table(("entity", "what"), ((code(path), meaning) for path, meaning in ENTITIES.items())),
    "gate_modes": gate_modes,
    "gate_stops": gate_stops,
    "reliability": lambda: protection_table("reliability"),
    "security": lambda: protection_table("security"),
    "sensors": lambda: element_table(state_elements(ObservationSettings(state="sensors"))),
    "map": lambda: element_table(state_elements(ObservationSettings(state="map"))),
    "privileged": lambda: element_table(privileged_elements()),
}


def guides() -> list[Path]:
    """The pages with such tables."""
    return [page for page in sorted(DOCS.glob("*.md")) if PLACE.search(page.read_text(encoding="utf-8"))]


def renewed(page: str) -> str:
    """``page`` with its tables as the code has them.

    Raises:
        KeyError: it marks a table that does not exist.
    """
    return PLACE.sub(lambda place: f"<!-- table: {place[1]} -->\n{TABLES[place[1]]()}<!-- end of table -->", page)
