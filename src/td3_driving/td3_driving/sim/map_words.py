# SPDX-License-Identifier: Apache-2.0
"""Words of an OpenDRIVE document in the spelling of the standard: files have ``lht`` and ``Driving`` too."""

from __future__ import annotations

from xml.etree.ElementTree import Element

LANE_TYPES = (
    *("none", "driving", "stop", "shoulder", "biking", "sidewalk", "border", "restricted", "parking", "bidirectional"),
    *("median", "special1", "special2", "special3", "roadWorks", "tram", "rail", "entry", "exit", "offRamp", "onRamp"),
    *("curb", "connectingRamp", "bus", "taxi", "HOV", "mwyEntry", "mwyExit", "slipLane", "walking", "shared"),
)
"""Of OpenDRIVE 1.4 to 1.8."""
WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "road": {"rule": ("RHT", "LHT")},
    "predecessor": {"elementType": ("road", "junction"), "contactPoint": ("start", "end")},
    "successor": {"elementType": ("road", "junction"), "contactPoint": ("start", "end")},
    "connection": {"contactPoint": ("start", "end")},
    "junction": {"type": ("default", "direct", "virtual", "crossing")},
    "lane": {"type": LANE_TYPES, "direction": ("standard", "reversed", "both")},
    "paramPoly3": {"pRange": ("arcLength", "normalized")},
}
"""Element -> attribute -> words of the standard."""


def spell(root: Element) -> bool:
    """Bring the words to the standard's spelling in place; whether one was different. Unknown words stay."""
    changed = False
    for element in root.iter():
        for key, words in WORDS.get(element.tag, {}).items():
            given = element.get(key)
            if given is None or given in words:
                continue
            meant = next((word for word in words if word.lower() == given.strip().lower()), given)
            if meant != given:
                element.set(key, meant)
                changed = True
    return changed
