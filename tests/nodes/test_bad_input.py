# SPDX-License-Identifier: Apache-2.0
"""What training does with bad input: a bridge that lies, over real DDS, against the real policy and learner."""

from __future__ import annotations

import array
import math
import re
import time
from pathlib import Path

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from carla_msgs.msg import CarlaEgoVehicleControl
from derived_object_msgs.msg import ObjectArray
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import Image
from td3_driving_msgs.msg import EpisodeSummary, Guard
from td3_driving_msgs.srv import ResetEpisode

from td3_driving.driving.episode import ExitReason
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.conversions import time_message
from td3_driving.runs.profiles import load_profile

from .run_harness import Ear, Run

WIDTH, HEIGHT = 64, 36
STEP_NS = 50_000_000
EGO = "/carla/ego_vehicle"
SETTINGS: dict[str, object] = {"diagnostics.stale_after": 60.0, "run.steps": 150}
OPEN: dict[str, object] = {**SETTINGS, "security.open": "true"}
"""Where the test gives orders as the guard: it has no token."""
LASTING: dict[str, object] = {**SETTINGS, "diagnostics.stale_after": 0.5, "pacing.stall_timeout": 60.0}
"""Where a lie goes on until the run ends: what comes soon anyway need not be waited for long."""
GIVING_UP: dict[str, object] = {"pacing.stall_timeout": 40.0}
"""Where a wait is in vain; all others of a start are over by then."""


class LyingBridge:
    """Answers every command with the next frame of a car on a straight road; a lie may change it on its way out.

    Args:
        lie: what it does from frame ``at`` on.
        back: frames by which the clock goes back in that lie; until the next reset the bridge then goes on without
            commands, as that of CARLA does.
        objects: whether it tells where the other vehicles are; there are none.
    """

    def __init__(self, ear: Ear, lie: str, at: int, back: int = 0, objects: bool = False) -> None:
        self._lie, self._at, self._back = lie, at, back
        self.frames = 0
        self._time_ns = 10**9
        node = ear.node
        self._images = node.create_publisher(Image, f"{EGO}/rgb_front/image", qos.BRIDGE)
        self._odometries = node.create_publisher(Odometry, f"{EGO}/odometry", qos.BRIDGE)
        self._objects = node.create_publisher(ObjectArray, f"{EGO}/objects", qos.BRIDGE) if objects else None
        node.create_subscription(CarlaEgoVehicleControl, f"{EGO}/vehicle_control_cmd", self._on_command, qos.BRIDGE)
        self._ear, self._serves = ear, False
        node.create_timer(0.05, self._nudge)
        self._x = 0.0
        self._sent_at = math.inf

    def _on_command(self, message: CarlaEgoVehicleControl) -> None:
        self._send()

    def _on_reset(self, request: ResetEpisode.Request, answer: ResetEpisode.Response) -> ResetEpisode.Response:
        self._x = 0.0
        if self.frames >= self._at:
            self._back = 0
        answer.success = True
        early = 0
        if self._lie == "frames lost in resets":
            self._send()
            self._time_ns += 16 * STEP_NS
            early = STEP_NS // 2
        answer.stamp = time_message(self._time_ns + STEP_NS - early)
        for x in range(200):
            pose = PoseStamped()
            pose.pose.position.x = float(x)
            answer.route.poses.append(pose)
        self._nudges = 3
        return answer

    _nudges = 0

    def _nudge(self) -> None:
        """The service, once the run is found; the first frame after a reset, once the policy has the answer."""
        if not self._serves and self._ear.finds():
            self._serves = True
            self._ear.node.create_service(ResetEpisode, "/td3/reset_episode", self._on_reset)
        if self._nudges:
            self._nudges -= 1
            if not self._nudges:
                self._send()
        elif self._back and self.frames >= self._at and time.monotonic() - self._sent_at > 1.0:
            self._send()

    def go_on(self) -> None:
        """The next frame, though nobody has answered the last one."""
        self._send()

    def _send(self) -> None:
        self.frames += 1
        self._sent_at = time.monotonic()
        self._time_ns += STEP_NS
        self._x += 0.3
        lie = self._lie if self.frames >= self._at else ""
        if lie == "clock goes back" and self.frames == self._at:
            self._time_ns -= self._back * STEP_NS
        image = Image(width=WIDTH, height=HEIGHT, step=4 * WIDTH, encoding="bgra8")
        image.data = array.array("B", bytes(4 * WIDTH * HEIGHT))
        odometry = Odometry()
        odometry.pose.pose.position.x, odometry.pose.pose.orientation.w = self._x, 1.0
        odometry.twist.twist.linear.x = 6.0
        image.header.stamp = odometry.header.stamp = time_message(self._time_ns)
        distort(lie, image, odometry)
        self._images.publish(image)
        if self._objects is not None and lie != "no objects":
            self._objects.publish(ObjectArray(header=image.header))
        if lie != "no odometry":
            self._odometries.publish(odometry)


def distort(lie: str, image: Image, odometry: Odometry) -> None:
    """Put the lie into the messages."""
    if lie == "unknown encoding":
        image.encoding = "32FC1"
    elif lie == "too few bytes":
        image.data = array.array("B", bytes(10))
    elif lie == "odometry is not a number":
        odometry.twist.twist.linear.x = math.nan
    elif lie == "odometry is infinite":
        odometry.pose.pose.position.y = math.inf


@pytest.mark.parametrize("harmless", ["", "frames lost in resets"])
def test_a_truthful_bridge_is_driven_to_the_end(tmp_path: Path, domain_id: int, harmless: str) -> None:
    """What is lost while the world is being reset belongs to no episode."""
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, SETTINGS, "--simulator", "none") as run:
        LyingBridge(ear, harmless, at=0)
        assert run.wait(ear) == 0, run.output[-4000:]
        assert "episode cut" not in run.output
        assert run.output.count("simulator none may not tell where the other vehicles are") == 1
        assert load_profile(run.folder / "config.yaml").network.critic == "camera"
        assert ear.accounts[-1].inserted == 150 and ear.accounts[-1].rejected == 0


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        ("unknown encoding", "image encoding '32FC1' is not one of"),
        ("too few bytes", "has 10 bytes instead of"),
        ("odometry is not a number", "odometry is not finite"),
        ("odometry is infinite", "odometry is not finite"),
        ("no odometry", "no complete frame"),
    ],
)
def test_a_lasting_lie_ends_the_run_with_its_reason(tmp_path: Path, domain_id: int, lie: str, said: str) -> None:
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, LASTING, "--simulator", "none") as run:
        LyingBridge(ear, lie, at=40)
        assert run.wait(ear) == 1
        assert said in run.output and "faults in a row" in run.output, run.output[-4000:]
        assert "Traceback" not in run.output
        assert 0 < ear.accounts[-1].inserted < 40 and ear.accounts[-1].rejected == 0


KNOWING: dict[str, object] = {"network.critic": "privileged", "learning.teacher": "idm"}


def test_a_critic_that_nobody_tells_of_the_others_says_what_is_missing(tmp_path: Path, domain_id: int) -> None:
    changes = {**SETTINGS, **KNOWING, **GIVING_UP}
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, changes, "--simulator", "none") as run:
        bridge = LyingBridge(ear, "", at=0)
        assert run.wait(ear) == 1
        assert bridge.frames == 0, "nothing may begin"
    needed = "objects: nobody publishes carla/ego_vehicle/objects or carla/objects"
    assert f"waiting for {needed}" in run.output and f"gave up waiting for {needed}" in run.output
    assert "may not tell" not in run.output and "Traceback" not in run.output


@pytest.mark.parametrize("lie", ["", "no objects"])
def test_objects_that_stop_coming_are_named(tmp_path: Path, domain_id: int, lie: str) -> None:
    changes = {**KNOWING, **(LASTING if lie else SETTINGS)}
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, changes, "--simulator", "none") as run:
        LyingBridge(ear, lie, at=40, objects=True)
        assert run.wait(ear) == (1 if lie else 0), run.output[-4000:]
    reason = r"no complete frame \(image, odometry and objects with one stamp\) for \d+ s; missing: objects"
    said = re.search(reason, run.output)
    assert (said is not None, "faults in a row" in run.output) == (bool(lie), bool(lie)), run.output[-4000:]
    assert ear.accounts[-1].rejected == 0 and (ear.accounts[-1].inserted < 40) == bool(lie)


@pytest.mark.parametrize("back", [1, 39])
def test_a_clock_that_goes_back_costs_an_episode_and_nothing_else(tmp_path: Path, domain_id: int, back: int) -> None:
    """The world behind such a clock is another one: no step may lead from the old one into it."""
    ends: list[EpisodeSummary] = []
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, SETTINGS, "--simulator", "none") as run:
        ear.node.create_subscription(EpisodeSummary, "/td3/episode", ends.append, qos.EPISODE)
        LyingBridge(ear, "clock goes back", 40, back)
        assert run.wait(ear) == 0, run.output[-4000:]
    assert run.output.count("episode cut: the clock went back") == 1
    assert ear.accounts[-1].inserted == 150 and ear.accounts[-1].rejected == 0
    assert [end.length for end in ends if end.exit_reason == int(ExitReason.SIMULATOR_FAULT)] == [38]


def test_a_step_over_frames_that_nobody_answered_is_none(tmp_path: Path, domain_id: int) -> None:
    """The bridge of CARLA waits a second for a command, and a policy may have to wait longer."""
    ends: list[EpisodeSummary] = []
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, OPEN, "--simulator", "none") as run:
        ear.node.create_subscription(EpisodeSummary, "/td3/episode", ends.append, qos.EPISODE)
        guard = ear.node.create_publisher(Guard, "/td3/guard", qos.WEIGHTS)
        bridge = LyingBridge(ear, "", at=0)
        run.until(lambda: ear.step >= 5, "5 steps", ear)
        guard.publish(Guard(order=Guard.PAUSE, reason="a test"))
        run.until(lambda: "paused until" in run.output, "pause", ear)
        bridge.go_on()
        bridge.go_on()
        ear.listen(0.3)
        guard.publish(Guard(order=Guard.GO))
        assert run.wait(ear) == 0, run.output[-4000:]
    assert run.output.count("episode cut: the simulator went on unanswered") == 1
    assert ear.accounts[-1].inserted == 150 and ear.accounts[-1].rejected == 0
    assert sum(end.length for end in ends) == 150


def test_nobody_waits_for_ever_for_a_simulator_that_is_not_there(tmp_path: Path, domain_id: int) -> None:
    with Run(tmp_path, domain_id, {**SETTINGS, **GIVING_UP}, "--simulator", "none") as run:
        assert run.wait() == 1
        assert "waiting for the simulator's service td3/reset_episode" in run.output
        assert "gave up waiting" in run.output and "Traceback" not in run.output


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("simulator.map", "/dev/null", "map"),
        ("simulator.map", "no_such_map", "no_such_map"),
        ("simulator.route", "0 0 9000 9000", "every lane"),
        ("learning.device", "cuda", "CUDA"),
    ],
)
def test_a_setting_that_cannot_work_is_one_sentence(
    tmp_path: Path, domain_id: int, setting: str, value: str, said: str
) -> None:
    with Run(tmp_path, domain_id, {setting: value}) as run:
        assert run.wait() == 2, run.output[-4000:]
        assert said in run.output and "Traceback" not in run.output
