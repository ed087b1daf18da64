# SPDX-License-Identifier: Apache-2.0
"""OpenDRIVE documents for tests, put together from roads with one or more lanes."""

from __future__ import annotations

from collections.abc import Sequence

MARK = '<roadMark sOffset="0" type="solid" color="white" width="0.12"/>'
WIDTH = '<width sOffset="0" a="3.5" b="0" c="0" d="0"/>'


def lane(number: int, inside: str = WIDTH + MARK, kind: str = "driving", links: str = "", more: str = "") -> str:
    """One lane; ``inside`` holds widths and marks."""
    return f'<lane id="{number}" type="{kind}" level="false" {more}><link>{links}</link>{inside}</lane>'


def joined(before: int | None = None, after: int | None = None) -> str:
    """Links of a lane."""
    ends = (("predecessor", before), ("successor", after))
    return "".join(f'<{side} id="{number}"/>' for side, number in ends if number is not None)


def meets(side: str, kind: str, number: object, contact: str = "") -> str:
    """A link of a road."""
    point = f'contactPoint="{contact}"' if contact else ""
    return f'<{side} elementType="{kind}" elementId="{number}" {point}/>'


def road(
    number: object,
    length: float = 150.0,
    start: tuple[float, float, float] = (0.0, 0.0, 0.0),
    right: Sequence[str] = (lane(-1),),
    left: Sequence[str] = (),
    links: str = "",
    junction: object = -1,
    shape: str = "<line/>",
    more: str = "",
    after: str = "",
    middle: str = MARK,
) -> str:
    """A road with one lane section; ``more`` are attributes, ``after`` are elements behind the lanes."""
    x, y, heading = start
    return (
        f'<road name="" id="{number}" length="{length}" junction="{junction}" {more}><link>{links}</link><planView>'
        f'<geometry s="0" x="{x}" y="{y}" hdg="{heading}" length="{length}">{shape}</geometry></planView>'
        f'<lanes><laneSection s="0"><left>{"".join(left)}</left><center><lane id="0" type="none" level="false">'
        f"{middle}</lane></center><right>{''.join(right)}</right></laneSection></lanes>{after}</road>"
    )


def raised(text: str, heights: str) -> str:
    """The road ``text`` with an elevation record such as ``a="6" b="0" c="0" d="0"``."""
    profile = f'<elevationProfile><elevation s="0" {heights}/></elevationProfile>'
    return text.replace("</planView>", f"</planView>{profile}")


def document(*parts: str, name: str = "") -> str:
    """A whole document."""
    header = f'<header revMajor="1" revMinor="7" name="{name}" version="1" north="0" south="0" east="0" west="0"/>'
    return f'<?xml version="1.0"?><OpenDRIVE>{header}{"".join(parts)}</OpenDRIVE>'


def crossing(junction: object) -> str:
    """Road 1, the connecting road 7, road 2, one after the other along x, and the junction of road 7."""
    connection = f'<connection id="0" incomingRoad="1" connectingRoad="7" contactPoint="start">{LANE_LINK}</connection>'
    return document(
        road(1, links=meets("successor", "junction", junction)),
        road(
            7,
            20.0,
            (150.0, 0.0, 0.0),
            (lane(-1, links=joined(-1, -1)),),
            links=meets("predecessor", "road", 1, "end") + meets("successor", "road", 2, "start"),
            junction=junction,
        ),
        road(2, start=(170.0, 0.0, 0.0), links=meets("predecessor", "junction", junction)),
        f'<junction id="{junction}" name="">{connection}</junction>',
    )


LANE_LINK = '<laneLink from="-1" to="-1"/>'
