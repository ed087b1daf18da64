# SPDX-License-Identifier: Apache-2.0
"""The tables of the page of the observation contract, from the code.

python docs/make_observation.py            # renews docs/observation.md
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from td3_driving.driving.privileged import privileged_elements
from td3_driving.driving.state_vector import StateElement, state_elements
from td3_driving.settings import ObservationSettings

PAGE = Path(__file__).with_name("observation.md")
PLACE = re.compile(r"<!-- table: (\w+) -->\n.*?<!-- end of table -->", re.DOTALL)
"""Where a table belongs, by its name."""


def table(elements: Iterable[StateElement]) -> str:
    """The elements of a vector as a table, in their order."""
    rows = [
        f"| {index} | {element.name} | {element.unit} | {element.scale:.4g} | {element.source} |"
        for index, element in enumerate(elements)
    ]
    return "\n".join(("| # | element | unit | divided by | from |", "|---|---|---|---|---|", *rows))


def renewed(page: str) -> str:
    """``page`` with the tables as the code has them."""
    vectors = {
        "sensors": state_elements(ObservationSettings(state="sensors")),
        "map": state_elements(ObservationSettings(state="map")),
        "privileged": privileged_elements(),
    }
    return PLACE.sub(
        lambda place: f"<!-- table: {place[1]} -->\n{table(vectors[place[1]])}\n<!-- end of table -->", page
    )


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
