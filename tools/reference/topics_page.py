# SPDX-License-Identifier: Apache-2.0
"""Topics and services: type, quality of service, who publishes and who reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from td3_driving.bags.topics import TOPICS
from tools.reference.endpoints import GraphEnd, endpoints
from tools.reference.markdown import code, page, table
from tools.reference.messages_page import definitions, purpose

OPENING = """
Names are relative: a node in a namespace has them below it, and remappings work. A name that begins with `/` is the
same everywhere. In a run of several actors the shared topics below `td3/` stay in the root. "Latched" is ROS 2's
*transient local*: a late reader gets the last messages. Nodes are the executables of the package; `simulator` stands
for the CARLA bridge where that runs in its place. The recorder reads
[what a recording holds](#in-a-recording).
"""
GROUPS = {
    "Training": ("td3/", "/diagnostics"),
    "Simulator, or CARLA bridge": ("carla/", "clock", "tf", "initialpose"),
    "On a vehicle": ("",),
}
"""Heading: beginnings of the names below it; the first that fits counts."""


def topics_page() -> str:
    """The page as Markdown."""
    found = endpoints()
    topics = [end for end in found if end.does in ("publishes", "reads")]
    services = [end for end in found if end.does in ("serves", "calls")]
    parts = [f"## {heading}\n\n{_topics(ends)}" for heading, ends in _grouped(topics)]
    parts += [f"## Services\n\n{_services(services)}", f"## In a recording\n\n{_recorded()}"]
    return page("Topics and services", OPENING, parts)


def _grouped(ends: Iterable[GraphEnd]) -> Iterator[tuple[str, list[GraphEnd]]]:
    groups: dict[str, list[GraphEnd]] = {heading: [] for heading in GROUPS}
    for end in ends:
        groups[next(heading for heading, starts in GROUPS.items() if end.name.startswith(starts))].append(end)
    yield from groups.items()


def _topics(ends: list[GraphEnd]) -> str:
    rows = []
    for name in sorted({end.name for end in ends}):
        here = [end for end in ends if end.name == name]
        offered = [end for end in here if end.does == "publishes"] or here
        qos = "; or ".join(sorted({end.qos for end in offered}))
        rows.append((code(name), _kind(here), qos, _nodes(here, "publishes"), _nodes(here, "reads")))
    return table(("topic", "type", "QoS", "published by", "read by"), rows)


def _services(ends: list[GraphEnd]) -> str:
    rows = []
    for name in sorted({end.name for end in ends}):
        here = [end for end in ends if end.name == name]
        rows.append((code(name), _kind(here), _nodes(here, "serves"), _nodes(here, "calls")))
    return table(("service", "type", "offered by", "called by"), rows)


def _recorded() -> str:
    """The recorded topics of each actor, and those that all actors share."""
    kinds = [code(topic.kind.replace("/msg/", "/")) for topic in TOPICS]
    shares = ["all actors" if topic.shared else "each actor" for topic in TOPICS]
    return table(("topic", "type", "of"), zip((code(topic.name) for topic in TOPICS), kinds, shares))


def _kind(ends: list[GraphEnd]) -> str:
    """The type, for our own with a link and with what it is for."""
    package, _, name = ends[0].kind.split("/")
    own = {path.stem: path for path in definitions()}
    if package == "td3_driving_msgs" and name in own:
        return f"[`{package}/{name}`](messages.md#{name.lower()}): {_first_sentence(purpose(own[name]))}"
    return code(f"{package}/{name}")


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0].rstrip(".")


def _nodes(ends: list[GraphEnd], does: str) -> str:
    return ", ".join(sorted({end.node for end in ends if end.does == does}))
