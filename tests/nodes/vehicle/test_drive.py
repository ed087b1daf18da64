# SPDX-License-Identifier: Apache-2.0
"""The drive node over real DDS, in a process that has no torch."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ...shared.other_python import printed_by
from ...shared.patience import HANG

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from sensor_msgs.msg import CompressedImage
from std_msgs.msg import String

from td3_driving.deploy.bundle import read_bundle
from td3_driving.driving.decoding import nanoseconds
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.conversions import header

from ..bridge_harness import EGO, stop
from ..deploy_harness import FRAME_NS, HEIGHT, WIDTH, Vehicle, start_drive
from ..policy_bundle import KEY, make_bundle, small_settings

PACKAGE = Path(__file__).resolve().parents[3] / "src" / "td3_driving"


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of bundles: two policies, one with another contract, one corrupt."""
    folder = tmp_path_factory.mktemp("bundles")
    (folder / "one.zip").write_bytes(make_bundle())
    (folder / "two.zip").write_bytes(make_bundle(seed=1))
    (folder / "signed.zip").write_bytes(make_bundle(key=KEY))
    (folder / "other.zip").write_bytes(make_bundle(small_settings(observation__stack=2)))
    data = bytearray((folder / "two.zip").read_bytes())
    data[len(data) // 2] ^= 255
    (folder / "corrupt.zip").write_bytes(data)
    return folder


def name_of(path: Path) -> str:
    return read_bundle(path.read_bytes()).short


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the node; whatever becomes of the test, none is left behind."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: Any, **changes: Any) -> subprocess.Popen[str]:
        started.append(start_drive(*arguments, **changes))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def vehicle(domain_id: int) -> Iterator[Vehicle]:
    vehicle = Vehicle(domain_id)
    yield vehicle
    vehicle.close()


def end(process: subprocess.Popen[str], how: int = signal.SIGINT) -> str:
    code, errors = stop(process, how)
    assert (code, "Traceback" in errors) == (0, False), errors
    return errors


def full_stop(command: object) -> bool:
    return (command.throttle, command.brake, command.steer) == (0.0, 1.0, 0.0)  # type: ignore[attr-defined]


def test_lifecycle_from_configure_to_shutdown(start: Start, domain_id: int, vehicle: Vehicle, bundles: Path) -> None:
    process = start(domain_id, bundles / "one.zip", autostart=False)
    vehicle.connect()
    vehicle.give_route()
    assert vehicle.state() == "unconfigured"
    assert not vehicle.swap(bundles / "two.zip").success
    assert vehicle.change("configure") and vehicle.state() == "inactive"
    vehicle.frame()
    vehicle.listen_for(0.3)
    assert not vehicle.ticks and not vehicle.commands, "an inactive node answers nothing"
    assert vehicle.change("activate")
    tick = vehicle.tick()
    assert (tick.bundle, tick.shadow) == (name_of(bundles / "one.zip"), False)
    assert len(tick.observation_sha256) == 64 and np.isnan(tick.steer_deviation)
    vehicle.until(lambda: vehicle.commands)
    command = vehicle.commands[-1]
    assert command.header.stamp == tick.sensor_stamp
    assert (command.steer, command.throttle - command.brake) == pytest.approx((tick.steer, tick.drive))
    vehicle.until(lambda: "policy: bundle" in vehicle.statuses)
    assert set(vehicle.statuses) >= {"policy: bundle", "policy: inference", "policy: frame sync"}
    assert not full_stop(vehicle.commands[-1])
    assert vehicle.change("deactivate") and vehicle.state() == "inactive"
    vehicle.until(lambda: full_stop(vehicle.commands[-1]))
    known = len(vehicle.commands)
    vehicle.frame()
    vehicle.listen_for(0.3)
    assert len(vehicle.commands) == known, "the stop command is the last"
    assert vehicle.change("cleanup") and vehicle.change("configure") and vehicle.change("activate")
    vehicle.tick()
    assert vehicle.change("shutdown")
    vehicle.until(lambda: full_stop(vehicle.commands[-1]))
    assert process.wait(HANG) == 0
    stop(process)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_with_the_stop_command(
    start: Start, domain_id: int, vehicle: Vehicle, bundles: Path, how: int
) -> None:
    process = start(domain_id, bundles / "one.zip")
    vehicle.ready()
    last = vehicle.tick()
    end(process, how)
    vehicle.until(lambda: full_stop(vehicle.commands[-1]))
    stamp = vehicle.commands[-1].header.stamp
    assert (stamp.sec, stamp.nanosec) > (last.sensor_stamp.sec, last.sensor_stamp.nanosec), (
        "a gate takes only newer ones"
    )


@pytest.mark.parametrize(
    ("bundle", "changes", "reason"),
    [
        ("absent.zip", {}, "cannot be read: No such file"),
        ("corrupt.zip", {}, "the bundle"),
        ("one.zip", {"public_key": "public.pem"}, "not signed"),
        ("one.zip", {"threads": 0}, "outside 1 .. 64"),
        ("one.zip", {"thread": 1}, "did you mean 'drive.threads'"),
    ],
)
def test_what_cannot_be_driven_by_is_one_sentence_and_exit_code_2(
    start: Start, domain_id: int, bundles: Path, bundle: str, changes: dict[str, object], reason: str
) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    form = Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    (bundles / "public.pem").write_bytes(KEY.public_key().public_bytes(*form))
    changes = {name: str(bundles / "public.pem") if name == "public_key" else value for name, value in changes.items()}
    process = start(domain_id, bundles / bundle, **changes)
    _, errors = process.communicate(timeout=HANG)
    assert process.returncode == 2
    told = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert len(told) == 1 and reason in told[0]
    assert "Traceback" not in errors


def test_swap_changes_over_between_two_frames_and_refuses_what_is_wrong(
    start: Start, domain_id: int, vehicle: Vehicle, bundles: Path
) -> None:
    process = start(domain_id, bundles / "one.zip")
    vehicle.ready()
    one, two = (name_of(bundles / f"{name}.zip") for name in ("one", "two"))
    assert vehicle.tick().bundle == one
    for name, reason in {
        "corrupt": "bundle",
        "other": "contract mismatch with the bundle in use",
        "absent": "cannot be read",
    }.items():
        answer = vehicle.swap_while_driving(bundles / f"{name}.zip")
        assert not answer.success and reason in answer.message and answer.bundle == one
        assert vehicle.tick().bundle == one
    answer = vehicle.swap_while_driving(bundles / "two.zip")
    assert answer.success and answer.bundle == two
    assert vehicle.tick().bundle == two
    names = [tick.bundle for tick in vehicle.ticks]
    assert names == [one] * names.count(one) + [two] * names.count(two)
    stamps = [nanoseconds(tick.sensor_stamp) for tick in vehicle.ticks]
    assert set(np.diff(stamps)) == {FRAME_NS}, "every frame was answered"
    assert vehicle.swap(bundles / "one.zip").bundle == one, "without frames it changes over, too"
    end(process)


def test_frames_that_tell_nothing_are_not_answered_and_the_reason_is_told(
    start: Start, domain_id: int, vehicle: Vehicle, bundles: Path
) -> None:
    process = start(domain_id, bundles / "one.zip")
    vehicle.connect()
    vehicle.until(lambda: vehicle.state() == "active")

    def refused(reason: str, **frame: object) -> None:
        last, known = nanoseconds(vehicle.tick().sensor_stamp), len(vehicle.commands)
        vehicle.until(lambda: vehicle.frame(**frame) and reason in message_of(vehicle))
        vehicle.listen_for(0.2)
        assert [command for command in vehicle.commands[known:] if nanoseconds(command.header.stamp) > last] == []

    vehicle.until(lambda: vehicle.frame() and message_of(vehicle) == "no route yet")
    assert not vehicle.commands
    vehicle.give_route()
    vehicle.until(lambda: vehicle.frame() and vehicle.ticks)
    refused("15.0 m away from its route", y=15.0)
    refused("not finite", x=float("nan"))
    refused("has not the shape of 64x36", size=(36, 36))
    before = vehicle.tick()
    assert (before.steer, before.drive) != (0.0, -1.0)
    goal = vehicle.tick(x=298.0)
    assert (goal.steer, goal.drive) == (0.0, -1.0), "the route ends here"
    vehicle.until(lambda: full_stop(vehicle.commands[-1]))
    vehicle.until(lambda: vehicle.tick() and message_of(vehicle) == "driving")
    end(process)


def message_of(vehicle: Vehicle) -> str:
    """What the node says of its decisions; empty before it has said anything."""
    status = vehicle.statuses.get("policy: inference")
    return "" if status is None else str(status.message)


def test_shadow_commands_nothing_and_tells_how_far_it_is_from_who_drives(
    start: Start, domain_id: int, vehicle: Vehicle, bundles: Path
) -> None:
    process = start(domain_id, bundles / "one.zip", shadow=True)
    vehicle.ready()
    vehicle.until(lambda: vehicle._command.get_subscription_count() > 0)
    for _ in range(5):
        stamp = vehicle.frame()
        vehicle.listen_for(0.1)
        vehicle.send(header=header(stamp, ""), steer=0.25, brake=0.5)
    vehicle.until(lambda: len(vehicle.ticks) >= 5)
    for tick in vehicle.ticks:
        assert tick.shadow
        assert tick.steer_deviation == pytest.approx(tick.steer - 0.25, abs=1e-6)
        assert tick.drive_deviation == pytest.approx(tick.drive + 0.5, abs=1e-6)
    alone = vehicle.frame()
    vehicle.frame()
    vehicle.until(lambda: len(vehicle.ticks) >= 6)
    assert nanoseconds(vehicle.ticks[5].sensor_stamp) == alone
    assert np.isnan(vehicle.ticks[5].steer_deviation), "nobody answered that frame"
    end(process)
    vehicle.listen_for(0.2)
    assert not vehicle.commands, "not even the stop at the end"


def test_names_follow_the_namespace(start: Start, domain_id: int, bundles: Path) -> None:
    process, vehicle = start(domain_id, bundles / "one.zip", "__ns:=/car"), Vehicle(domain_id, "/car")
    vehicle.ready()
    vehicle.tick()
    end(process)
    vehicle.close()


def test_what_a_vehicle_runs_imports_no_torch() -> None:
    code = "import sys, td3_driving.nodes.vehicle.drive, td3_driving.nodes.vehicle.gate; print(*sys.modules)"
    loaded = {name.split(".")[0] for name in printed_by(code, PACKAGE).split()}
    assert "onnxruntime" in loaded
    assert loaded & {"torch", "safetensors", "tensorboard", "panda3d", "matplotlib", "plotly"} == set()


def test_compressed_camera(start: Start, domain_id: int, vehicle: Vehicle, bundles: Path) -> None:
    """The node takes the type that is published; a cut image is refused and counted, and the next one answered."""
    vehicle.images = vehicle.node.create_publisher(CompressedImage, "camera/compressed", qos.BRIDGE)
    process = start(domain_id, bundles / "one.zip", f"{EGO}/rgb_front/image:=camera/compressed")
    vehicle.until(lambda: vehicle.images.get_subscription_count() > 0)
    vehicle.ready()

    def sent(data: bytes) -> int:
        stamp = vehicle.frame(picture=CompressedImage(format="jpeg", data=data))
        vehicle.listen_for(0.1)
        return stamp

    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    whole = cv2.imencode(".jpg", pixels)[1].tobytes()
    vehicle.until(lambda: sent(whole) and vehicle.ticks)
    answered, cut = len(vehicle.ticks), sent(whole[:-20])
    vehicle.until(lambda: "the JPEG is cut" in vehicle.statuses["policy: inference"].message)
    assert cut not in {nanoseconds(tick.sensor_stamp) for tick in vehicle.ticks}
    assert ("refused (frames)", "1") in {(e.key, e.value) for e in vehicle.statuses["policy: inference"].values}
    vehicle.until(lambda: sent(whole) and len(vehicle.ticks) > answered)
    end(process)


def test_topics_of_other_types_are_named(start: Start, domain_id: int, vehicle: Vehicle, bundles: Path) -> None:
    vehicle.node.create_publisher(String, "camera", qos.BRIDGE)
    rules = f"{EGO}/rgb_front/image:=camera", f"{EGO}/odometry:=state"
    process = start(domain_id, bundles / "one.zip", *rules)
    camera = "topic /camera is std_msgs/msg/String, not sensor_msgs/msg/Image or sensor_msgs/msg/CompressedImage"
    vehicle.until(lambda: "policy: inference" in vehicle.statuses)
    vehicle.until(lambda: vehicle.statuses["policy: inference"].message == camera)
    vehicle.node.create_publisher(String, "state", qos.BRIDGE)
    odometry = "topic /state is std_msgs/msg/String, not nav_msgs/msg/Odometry"
    vehicle.until(lambda: vehicle.statuses["policy: inference"].message == odometry)
    assert camera in end(process)
