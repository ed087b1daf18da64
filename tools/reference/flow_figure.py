# SPDX-License-Identifier: Apache-2.0
"""The figure of the data flow, drawn from the topics that the nodes of a training run publish and read."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from tools.reference.endpoints import GraphEnd, endpoints

WIDTH, HEIGHT, LINE = 1080, 560, 17
"""Size of the figure and height of a line of text [px]."""


@dataclass(frozen=True)
class Plate:
    """A node: its middle [px], and what happens inside it."""

    x: int
    y: int
    lines: tuple[str, ...]
    half_width: int = 130
    half_height: int = 62


@dataclass(frozen=True)
class Arrow:
    """From one node to another: end points and place of the text, all [px]."""

    start: tuple[int, int]
    end: tuple[int, int]
    text: tuple[int, int]
    anchor: str = "middle"


BOXES = {
    "simulator": Plate(150, 130, ("moves the world by one frame", "and waits for the command")),
    "policy": Plate(560, 130, ("sensors → observation → action", "scores the step, ends the episode")),
    "learner": Plate(930, 400, ("replay memory → updates", "as many as the steps call for")),
    "diagnostics": Plate(560, 470, ("event file, run doctor, markers", "may pause or stop the run")),
}
ARROWS = {
    ("simulator", "policy"): Arrow((280, 100), (430, 100), (355, 16)),
    ("policy", "simulator"): Arrow((430, 160), (280, 160), (355, 182)),
    ("policy", "learner"): Arrow((690, 110), (950, 338), (850, 200), "start"),
    ("learner", "policy"): Arrow((880, 338), (670, 192), (762, 290), "end"),
    ("policy", "diagnostics"): Arrow((545, 192), (545, 408), (535, 270), "end"),
    ("diagnostics", "policy"): Arrow((575, 408), (575, 192), (585, 370), "start"),
    ("learner", "diagnostics"): Arrow((800, 450), (690, 470), (700, 500), "start"),
}
STYLE = """
text { font: 14px sans-serif; fill: #20303c } .name { font-weight: bold; font-size: 16px }
.topic { font: 12px monospace; fill: #365a78 } rect.node { fill: #eaf1f7; stroke: #365a78; stroke-width: 1.5 }
line { stroke: #365a78; stroke-width: 1.5; marker-end: url(#tip) }
"""


TIP = (
    '<marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">'
    '<path d="M0,0 L10,5 L0,10 z" fill="#365a78"/></marker>'
)


def flow_figure() -> str:
    """The figure as SVG."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
    found = endpoints()
    parts = [_arrow(arrow, shared(found, *pair)) for pair, arrow in ARROWS.items()]
    parts += [_box(name, box) for name, box in BOXES.items()]
    ground = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    return "\n".join((head, f"<style>{STYLE}</style><defs>{TIP}</defs>", ground, *parts, "</svg>\n"))


def shared(found: list[GraphEnd], sender: str, reader: str) -> list[str]:
    """Topics that one node publishes and the other reads.

    Raises:
        ValueError: there is none: the figure has an arrow that the code has not.
    """
    sent = {end.name for end in found if (end.node, end.does) == (sender, "publishes")}
    names = sorted(sent & {end.name for end in found if (end.node, end.does) == (reader, "reads")})
    if not names:
        raise ValueError(f"{reader} reads nothing of {sender}")
    return names


def _box(name: str, box: Plate) -> str:
    x, y = box.x - box.half_width, box.y - box.half_height
    frame = f'<rect class="node" x="{x}" y="{y}" width="{2 * box.half_width}" height="{2 * box.half_height}" rx="8"/>'
    title = _text(name, box.x, box.y - LINE, "middle", "name")
    lines = [_text(line, box.x, box.y + LINE // 2 + LINE * index, "middle", "") for index, line in enumerate(box.lines)]
    return "\n".join((frame, title, *lines))


def _arrow(arrow: Arrow, topics: list[str]) -> str:
    (x1, y1), (x2, y2), (x, y) = arrow.start, arrow.end, arrow.text
    line = f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'
    short = [topic.removeprefix("carla/ego_vehicle/") for topic in topics]
    texts = [_text(topic, x, y + 15 * index, arrow.anchor, "topic") for index, topic in enumerate(short)]
    return "\n".join((line, *texts))


def _text(text: str, x: int, y: int, anchor: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
