# SPDX-License-Identifier: Apache-2.0
"""What the layouts for RViz, Foxglove and PlotJuggler ask of the graph: topics, fields of messages, QoS."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

CONFIG = Path(__file__).resolve().parents[2] / "config"
RVIZ = CONFIG / "rviz" / "td3_driving.rviz"
LAYOUTS = sorted((CONFIG / "layouts").iterdir())
MARKERS, IMAGE = "visualization_msgs/msg/MarkerArray", "sensor_msgs/msg/Image"
POSE, FIRST_POSE = "geometry_msgs/msg/PoseStamped", "geometry_msgs/msg/PoseWithCovarianceStamped"
RVIZ_TYPES = {
    "rviz_default_plugins/MarkerArray": MARKERS,
    "rviz_default_plugins/Image": IMAGE,
    "rviz_default_plugins/Path": "nav_msgs/msg/Path",
    "rviz_default_plugins/Odometry": "nav_msgs/msg/Odometry",
    "rviz_default_plugins/SetGoal": POSE,
    "rviz_default_plugins/SetInitialPose": FIRST_POSE,
}
"""Type that an RViz class takes or sends on its topic."""
RVIZ_CLASSES = {
    *RVIZ_TYPES,
    *(f"rviz_default_plugins/{name}" for name in ("Grid", "TF", "Interact", "MoveCamera", "Select", "FocusCamera")),
    *(f"rviz_default_plugins/{name}" for name in ("Measure", "ThirdPersonFollower", "TopDownOrtho")),
    *(f"rviz_common/{name}" for name in ("Displays", "Selection", "Tool Properties", "Views", "Time")),
}
"""Classes that RViz registers under these names in Humble, Jazzy and later."""
FOXGLOVE_TYPES = {"Image": (IMAGE,), "DiagnosticSummary": ("diagnostic_msgs/msg/DiagnosticArray",)}


@dataclass(frozen=True)
class Wish:
    """Something that a layout needs.

    Attributes:
        topic: its name; in a curve of PlotJuggler the field follows it, as in a path.
        types: one of these, or any type where empty.
        field: of the message, as ``a.b[2].c``; "" for the whole message.
        qos: an RViz display's QoS, empty where a program takes what is offered.
    """

    topic: str
    types: tuple[str, ...] = ()
    field: str = ""
    qos: tuple[tuple[str, str], ...] = ()


def rviz_document() -> Any:
    """The RViz configuration."""
    return yaml.safe_load(RVIZ.read_text())


def parts(document: Any) -> Iterator[dict[str, Any]]:
    """Every mapping of a document, also the inner ones."""
    if isinstance(document, dict):
        yield document
        document = list(document.values())
    if isinstance(document, list):
        for inner in document:
            yield from parts(inner)


def rviz_wishes() -> list[Wish]:
    """The topics of all displays and tools."""
    found = [part for part in parts(rviz_document()) if isinstance(part.get("Topic"), dict)]
    return [_rviz_wish(part["Class"], part["Topic"]) for part in found]


def _rviz_wish(kind: str, topic: dict[str, str]) -> Wish:
    policies = "Reliability Policy", "Durability Policy"
    return Wish(topic["Value"], (RVIZ_TYPES[kind],), qos=tuple((name, topic[name]) for name in policies))


def wishes(layout: Path) -> list[Wish]:
    """What a layout file of Foxglove or PlotJuggler needs."""
    if layout.suffix == ".json":
        return list(_foxglove_wishes(json.loads(layout.read_text())))
    root = ET.parse(layout).getroot()
    chosen = root.find("Plugins/plugin/selected_topics")
    assert chosen is not None, "PlotJuggler subscribes to the topics that are selected"
    topics = chosen.attrib["value"].split(";")
    return [Wish(topic) for topic in topics] + [_curve(curve.attrib["name"], topics) for curve in root.iter("curve")]


def _curve(name: str, topics: list[str]) -> Wish:
    (topic,) = (topic for topic in topics if name.startswith(f"{topic}/"))
    return Wish(topic, field=name.removeprefix(f"{topic}/").replace("/", "."))


def _foxglove_wishes(document: dict[str, Any]) -> Iterator[Wish]:
    for name, panel in document["configById"].items():
        kind = name.partition("!")[0]
        for path in panel.get("paths", ()):
            yield _path(path["value"])
        if "topicPath" in panel:
            yield _path(panel["topicPath"])
        if "topicToRender" in panel:
            yield Wish(panel["topicToRender"], FOXGLOVE_TYPES[kind])
        if kind == "Image":
            yield Wish(panel["imageMode"]["imageTopic"], FOXGLOVE_TYPES[kind])
        if kind == "3D":
            yield from (Wish(topic) for topic in panel["topics"])
            yield Wish(panel["publish"]["poseTopic"], (POSE,))
            yield Wish(panel["publish"]["poseEstimateTopic"], (FIRST_POSE,))


def _path(path: str) -> Wish:
    topic, _, field = path.partition(".")
    return Wish(topic, field=field)


def panels_of(layout: Any) -> Iterator[str]:
    """The panels that a Foxglove layout places."""
    if isinstance(layout, str):
        yield layout
    else:
        yield from panels_of(layout["first"])
        yield from panels_of(layout["second"])


def leaf_type(message_type: str, field: str) -> str:
    """Type of a field of a message.

    Raises:
        KeyError: there is no such field.
    """
    package, _, name = message_type.split("/")
    kind = message_type
    for part in field.split("."):
        name, index = re.fullmatch(r"(\w+)(?:\[(\d+)\])?", part).groups()  # type: ignore[union-attr]
        package, _, class_name = kind.replace("/msg/", "//").partition("//")
        kind = getattr(import_module(f"{package}.msg"), class_name).get_fields_and_field_types()[name]
        if index is not None:
            kind = _element(kind, int(index))
        kind = kind if "/" not in kind or "/msg/" in kind else kind.replace("/", "/msg/")
    return kind


def _element(kind: str, index: int) -> str:
    """Type of one element of ``kind[N]``, which must have it, or of ``sequence<kind>``."""
    listed = re.fullmatch(r"sequence<(.+)>", kind)
    if listed is not None:
        return listed[1]
    element, size = re.fullmatch(r"(.+)\[(\d+)\]", kind).groups()  # type: ignore[union-attr]
    if index >= int(size):
        raise KeyError(f"[{index}] of {kind}")
    return str(element)
