# SPDX-License-Identifier: Apache-2.0
"""The visualizer beside a whole running graph, which all tests of this file share."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ...shared.patience import HANG

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

import numpy as np
import yaml
from nav_msgs.msg import Odometry
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import Marker, MarkerArray

from td3_driving.driving.decoding import nanoseconds
from td3_driving.nodes.ros import qos
from td3_driving.view.rviz import viewer_environment

from ..asking import Question
from ..layouts import CONFIG, LAYOUTS, RVIZ_CLASSES, Wish, panels_of, parts, rviz_document, rviz_wishes, wishes
from ..run_harness import Ear, Run
from ..wishes_in_the_graph import check


class Viewer(Ear):
    """Looks at everything that the visualizer makes."""

    def __init__(self, domain: int, run: Run) -> None:
        super().__init__(domain)
        self._run = run
        self.heard: dict[str, list[Any]] = {"image": [], "markers": [], "tf": [], "odometry": []}
        self._looks: list[Any] = []
        self.gate_stop = self.node.create_client(Trigger, "/gate/stop")

    def look(self) -> None:
        """Begin to watch."""
        for name, kind, topic, profile in (
            ("image", Image, "/td3/view/image", qos.BRIDGE),
            ("markers", MarkerArray, "/td3/markers", qos.MARKERS),
            ("tf", TFMessage, "/tf", qos.TF),
            ("odometry", Odometry, "/carla/ego_vehicle/odometry", qos.BRIDGE),
        ):
            self._looks.append(self.node.create_subscription(kind, topic, self.heard[name].append, profile))

    def look_away(self) -> None:
        """Watch no longer."""
        for subscription in self._looks:
            self.node.destroy_subscription(subscription)
        self._looks.clear()

    def wait(self, condition: Callable[[], Any], what: str) -> None:
        """Listen until ``condition`` holds."""
        self._run.until(lambda: bool(condition()), what, self, HANG)

    @property
    def transforms(self) -> list[Any]:
        """Every transform heard so far."""
        return [transform for sent in self.heard["tf"] for transform in sent.transforms]

    @property
    def shown(self) -> dict[str, Marker]:
        """The newest markers by their namespace."""
        arrays = self.heard["markers"]
        return {marker.ns: marker for marker in arrays[-1].markers} if arrays else {}

    def listens(self, node: str, topic: str) -> bool:
        """Whether a node subscribes to a topic."""
        return node in {info.node_name for info in self.node.get_subscriptions_info_by_topic(topic)}


def start(executable: str, domain: int, *words: str, **environment: str) -> subprocess.Popen[bytes]:
    """A node beside the run."""
    command = [sys.executable, "-m", "td3_driving.launching.child", executable, "--ros-args", *words]
    return subprocess.Popen(command, env={**os.environ, "ROS_DOMAIN_ID": str(domain), **environment})


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory, module_domain_id: int) -> Iterator[SimpleNamespace]:
    """A training run, the visualizer, a command gate whose output nobody hears, and a viewer in one domain."""
    home, domain = tmp_path_factory.mktemp("graph"), module_domain_id
    with Run(home, domain, {"run.steps": 10**6}) as run, Viewer(domain, run) as viewer:
        visualizer = start("visualizer", domain, "-p", "image_height:=72")
        # It is killed below, which leaves its part of shared memory to nobody, too.
        apart = viewer_environment(os.environ)
        gate = start("gate", domain, "-r", "carla/ego_vehicle/vehicle_control_cmd:=gate/unheard", **apart)
        try:
            viewer.look()
            viewer.wait(lambda: viewer.heard["image"] and "predicted path" in viewer.shown, "an image and markers")
            viewer.wait(lambda: viewer.gate_stop.service_is_ready(), "a gate")
            yield SimpleNamespace(run=run, viewer=viewer, visualizer=visualizer, gate=gate)
        finally:
            for process in (visualizer, gate):
                process.kill()
                process.wait(HANG)


def test_everything_that_rviz_shows_is_there(graph: SimpleNamespace) -> None:
    found = rviz_wishes()
    assert {"/td3/markers", "/td3/view/image", "/carla/markers/static"} <= {wish.topic for wish in found}
    for wish in found:
        check(wish, graph.viewer.node)


def test_rviz_knows_every_class() -> None:
    classes = {part["Class"] for part in parts(rviz_document()) if part.get("Class")}
    assert classes <= RVIZ_CLASSES
    assert rviz_document()["Visualization Manager"]["Global Options"]["Fixed Frame"] == "map"


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda path: path.name)
def test_everything_that_a_layout_plots_is_there(graph: SimpleNamespace, layout: Path) -> None:
    found = wishes(layout)
    assert len(found) > 10
    for wish in found:
        check(wish, graph.viewer.node)


@pytest.mark.parametrize("layout", [path for path in LAYOUTS if path.suffix == ".json"], ids=lambda path: path.name)
def test_every_panel_of_foxglove_has_its_place(layout: Path) -> None:
    document = yaml.safe_load(layout.read_text())
    placed = list(panels_of(document["layout"]))
    assert sorted(placed) == sorted(document["configById"])


def test_a_field_that_does_not_exist_is_noticed(graph: SimpleNamespace) -> None:
    with pytest.raises(KeyError, match="spead"):
        check(Wish("/td3/reward", field="spead"), graph.viewer.node)
    with pytest.raises(KeyError, match=r"\[2\]"):
        check(Wish("/td3/reward", field="action[2]"), graph.viewer.node)
    with pytest.raises(AssertionError, match="nobody knows /td3/nothing"):
        check(Wish("/td3/nothing"), graph.viewer.node)
    with pytest.raises(AssertionError, match="which is no number"):
        check(Wish("/td3/reward", field="actor_id"), graph.viewer.node)


def test_statuses_are_those_that_the_aggregators_expect(graph: SimpleNamespace) -> None:
    files = [yaml.safe_load((CONFIG / "diagnostics" / name).read_text()) for name in ("training.yaml", "vehicle.yaml")]
    run, vehicle = ({name for part in parts(file) for name in part.get("expected", ())} for file in files)
    gate = {name for name in vehicle if name.startswith("gate: ")}
    graph.viewer.wait(lambda: set(graph.viewer.statuses) >= run | gate, "every expected status")
    assert set(graph.viewer.statuses) == run | gate


def test_scene_shows_route_action_reward_and_traffic(graph: SimpleNamespace) -> None:
    wanted = {"route", "vehicle", "lane error", "predicted path", "value", "traffic"}
    graph.viewer.wait(lambda: wanted <= set(graph.viewer.shown), "the whole scene")
    array = graph.viewer.heard["markers"][-1].markers
    assert array[0].action == Marker.DELETEALL
    assert all(marker.header.frame_id == "map" for marker in array)
    assert len([marker for marker in array if marker.ns == "traffic"]) == 3
    graph.viewer.wait(lambda: "r -  " not in graph.viewer.shown["value"].text, "a reward in the text")
    graph.viewer.wait(lambda: not graph.viewer.shown["value"].text.endswith("Q -"), "a Q value in the text")
    lines = {marker.ns: marker.points for marker in array}
    path, route = lines["predicted path"], [(point.x, point.y) for point in lines["route"]]
    assert 2 <= len(path) <= 21
    beside = [min(math.dist((point.x, point.y), place) for place in route) for point in (path[0], path[-1])]
    assert beside[1] < max(2.0, beside[0]) + 1.0, "it ends on its road; points of the route are apart from one another"
    assert all(math.isfinite(value) for point in path for value in (point.x, point.y, point.z))


def test_gate_shows_while_it_speaks_and_is_missed_when_it_falls_silent(graph: SimpleNamespace) -> None:
    viewer = graph.viewer

    def told(text: str) -> bool:
        return "gate" in viewer.shown and viewer.shown["gate"].text.startswith(text)

    viewer.wait(lambda: told("gate: waiting"), "a gate that waits for a policy")
    viewer.wait(Question(viewer.gate_stop, Trigger.Request()).answered, "the answer of the gate")
    viewer.wait(lambda: told("gate: emergency stop (latched): "), "the stop of the gate")
    colour = viewer.shown["gate"].color
    assert colour.r > colour.g and colour.r > colour.b
    graph.gate.kill()
    viewer.wait(lambda: told("gate: silent for"), "the silence of the gate")


def test_image_is_the_camera_enlarged_with_something_drawn_into_it(graph: SimpleNamespace) -> None:
    sent = graph.viewer.heard["image"][-1]
    assert (sent.width, sent.height, sent.encoding, sent.step) == (128, 72, "bgr8", 3 * 128)
    assert sent.header.frame_id == "ego_vehicle/rgb_front"
    pixels = np.frombuffer(sent.data, dtype=np.uint8).reshape(72, 128, 3)
    green = (pixels[..., 1] > 150) & (pixels[..., 0] < 120) & (pixels[..., 2] < 120)
    assert green.any() or (pixels[..., 0] > 200).any(), "neither route nor predicted path is in the image"


def test_every_frame_has_one_parent_and_base_link_is_where_the_vehicle_is(graph: SimpleNamespace) -> None:
    viewer = graph.viewer
    viewer.wait(lambda: len(viewer.transforms) > 200, "transforms")
    parent = {}
    for transform in viewer.transforms:
        assert parent.setdefault(transform.child_frame_id, transform.header.frame_id) == transform.header.frame_id
    assert (parent["odom"], parent["base_link"], parent["ego_vehicle"]) == ("map", "odom", "map")
    placed: dict[int, dict[str, Any]] = {}
    for transform in viewer.transforms:
        stamp = nanoseconds(transform.header.stamp)
        placed.setdefault(stamp, {})[transform.child_frame_id] = transform.transform
    whole = [frames for frames in placed.values() if {"odom", "base_link", "ego_vehicle"} <= set(frames)]
    assert len(whole) > 20
    for frames in whole:
        assert composed(frames["odom"], frames["base_link"]) == pytest.approx(planar(frames["ego_vehicle"]), abs=1e-6)


def planar(transform: Any) -> tuple[float, float, float, float]:
    """x, y [m], and cosine and sine of the heading of a level transform."""
    z, w = transform.rotation.z, transform.rotation.w
    return transform.translation.x, transform.translation.y, 1.0 - 2.0 * z * z, 2.0 * z * w


def composed(outer: Any, inner: Any) -> tuple[float, float, float, float]:
    x1, y1, c1, s1 = planar(outer)
    x2, y2, c2, s2 = planar(inner)
    return x1 + c1 * x2 - s1 * y2, y1 + s1 * x2 + c1 * y2, c1 * c2 - s1 * s2, s1 * c2 + c1 * s2


def test_diagnostics_leaves_the_markers_to_the_visualizer(graph: SimpleNamespace) -> None:
    viewer = graph.viewer
    odometry = "/carla/ego_vehicle/odometry"
    viewer.wait(lambda: viewer.listens("visualizer", odometry), "a visualizer that listens")
    viewer.wait(lambda: not viewer.listens("diagnostics", odometry), "diagnostics to stand back")


def test_nothing_is_listened_to_while_nobody_looks(graph: SimpleNamespace) -> None:
    viewer = graph.viewer
    inputs = [
        f"/carla/ego_vehicle/{name}" for name in ("rgb_front/image", "odometry", "objects", "vehicle_control_cmd")
    ]
    viewer.wait(lambda: all(viewer.listens("visualizer", topic) for topic in inputs), "a visualizer that listens")
    viewer.look_away()
    viewer.wait(lambda: not any(viewer.listens("visualizer", topic) for topic in inputs), "a visualizer that rests")
    viewer.look()
    viewer.heard["image"].clear()
    viewer.wait(lambda: viewer.heard["image"], "an image for a viewer who came back")


def test_visualizer_has_no_part_in_the_shared_memory_of_the_others(graph: SimpleNamespace) -> None:
    """A reader that is frozen would fill it up: large messages would no longer arrive at anybody."""
    assert not shared_memory_listeners(graph.visualizer.pid)
    assert shared_memory_listeners(graph.run.pid("simulator")), "the simulator's own are seen"


def shared_memory_listeners(pid: int) -> set[str]:
    """Threads that take messages of Fast DDS out of shared memory: ``dds.shm.PORT``."""
    names = {comm.read_text().strip() for comm in Path(f"/proc/{pid}/task").glob("*/comm")}
    return {name for name in names if name.startswith("dds.shm.") and name.rpartition(".")[2].isdigit()}


def test_run_is_held_up_neither_by_a_frozen_visualizer_nor_by_a_killed_one(graph: SimpleNamespace) -> None:
    viewer = graph.viewer
    for how in (signal.SIGSTOP, signal.SIGKILL):
        graph.visualizer.send_signal(how)
        step = viewer.step
        viewer.wait(lambda step=step: viewer.step > step + 200, f"200 further steps after {how.name}")


def test_diagnostics_draws_when_the_visualizer_is_gone(graph: SimpleNamespace) -> None:
    viewer = graph.viewer
    graph.visualizer.kill()
    graph.visualizer.wait(HANG)
    viewer.wait(lambda: viewer.listens("diagnostics", "/carla/ego_vehicle/odometry"), "diagnostics that takes over")
    viewer.heard["markers"].clear()
    viewer.wait(lambda: "predicted path" in viewer.shown, "markers from diagnostics")
    assert "traffic" not in viewer.shown
