# SPDX-License-Identifier: Apache-2.0
"""A stranger in the domain of a run: nothing that it sends is believed, and the run says that it was there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from carla_msgs.msg import CarlaControl
from diagnostic_msgs.msg import DiagnosticStatus
from std_msgs.msg import Bool

from td3_driving.doctor.diagnosis import Verdict
from td3_driving.doctor.examine import examine
from td3_driving.doctor.report_json import json_report
from td3_driving.nodes.ros import qos

from ..run_harness import Ear, Run, reopen
from ..stranger import EGO, Stranger

FLOOD = 3000
ENDLESS: dict[str, object] = {
    "run.steps": 100_000,
    "replay.capacity": 100_000,
    "pacing.learning_starts": 60,
    "exploration.random_steps": 40,
}
"""The tests stop the run themselves: a stranger needs an unknown number of steps to find who listens."""
STEPS = 500
"""Of the run that ends by itself, with every step in its memory."""


def stopped(run: Run, ear: Ear) -> str:
    """What the doctor says, as JSON, of a run that was stopped and that kept every step that it took."""
    taken = ear.step
    run.until(lambda: bool(ear.accounts) and ear.accounts[-1].inserted >= taken, "an account of these steps", ear)
    assert run.stop() == 130, run.output[-4000:]
    ear.listen(0.2)
    assert (ear.accounts[-1].rejected, ear.accounts[-1].lost) == (0, 0)
    assert reopen(run).inserted >= ear.step - 1 > 0
    return json_report(examine(run.folder))


def errors_of(ear: Ear, name: str) -> list[str]:
    return [status.message for status in ear.errors if status.name == name]


def test_forged_messages_are_refused_counted_and_named(tmp_path: Path, domain_id: int) -> None:
    """Forged before and while the learner learns; the memory gets every genuine step, and nothing else."""
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, {**ENDLESS, "run.steps": STEPS}) as run:
        run.meet(ear)
        with Stranger(domain_id) as stranger:
            run.until(lambda: ear.step >= 5, "5 steps", ear)
            stranger.overhear()
            sent = stranger.forge_steps(flood=20) + stranger.forge_weights()
            stranger.forge_news()
            run.until(lambda: ear.step >= 80, "80 steps", ear)
            sent += stranger.forge_steps(flood=FLOOD)
            run.until(lambda: bool(errors_of(ear, "graph: writers")), "the stranger on /diagnostics", ear)
        assert run.wait(ear) == 0, run.output[-4000:]
        report, series = json.loads((run.folder / "report.json").read_text()), run.series()
    last = ear.accounts[-1]
    assert (last.inserted, last.rejected) == (STEPS, 0)
    assert series["graph/strangers"][-1][1] >= last.strangers
    assert last.received == last.inserted + last.duplicate + last.rejected
    assert 0 < last.strangers <= sent
    assert last.stranger.startswith(("/stranger (GUID ", "a publisher of td3/replay that has left"))
    assert any("/stranger (GUID " in text and "/td3/guard" in text for text in errors_of(ear, "graph: writers"))
    assert "/stranger (GUID " in run.output and "paused until" not in run.output and "Traceback" not in run.output
    assert report["verdict"] == "NO-GO" and "foreign_writer" in [cause["cause"] for cause in report["causes"]]
    assert series["graph/second_writers"][-1][1] >= 3.0


def test_who_else_drives_is_named_and_nothing_is_learned_from_it(tmp_path: Path, domain_id: int) -> None:
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, ENDLESS) as run:
        run.meet(ear)
        with Stranger(domain_id) as stranger:
            run.until(lambda: ear.step >= 5, "5 steps", ear)
            brakes = stranger.brake(50)
            # It may come between two episodes; then none is cut, and none begins.
            told = ("episode cut: /stranger (GUID ", "alarms: /stranger (GUID ")
            run.until(lambda: any(text in run.output for text in told), "the stranger by name", ear)
            ear.listen(3.0)
            held = ear.step
            ear.listen(2.0)
            assert ear.step == held, "no step is taken while another drives"
            stranger.leave(brakes)
            run.until(lambda: ear.step > held, "a step after it left", ear)
            world = stranger.hold_the_world()
            run.until(
                lambda: any("/carla/control" in text for text in errors_of(ear, "graph: writers")),
                "the stranger by name",
                ear,
            )
            stranger.let_the_world_go(world)
            wheel = stranger.take_the_wheel()
            run.until(
                lambda: any("override" in text for text in errors_of(ear, "graph: writers")),
                "the stranger by name",
                ear,
            )
            stranger.leave(wheel)
        report, series = json.loads(stopped(run, ear)), run.series()
    named = errors_of(ear, "graph: writers")[-1]
    assert f"published on {EGO}/vehicle_control_cmd" in named, "the alarm stays"
    assert ear.statuses["graph: writers"].level == DiagnosticStatus.ERROR
    assert "Traceback" not in run.output
    assert report["verdict"] == "NO-GO" and report["causes"][0]["cause"] == "foreign_writer"
    assert series["graph/second_writers"][-1][1] >= 3.0


def test_who_comes_and_goes_at_once_is_named_and_a_second_camera_too(tmp_path: Path, domain_id: int) -> None:
    """Each message stops or takes over the world; its publisher has left before anybody looks at the graph."""
    control, override = "/carla/control", f"{EGO}/vehicle_control_manual_override"
    guids = []
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, ENDLESS, "--record") as run:
        run.meet(ear)
        with Stranger(domain_id) as stranger:
            run.until(lambda: ear.step >= 5, "5 steps", ear)
            for topic, kind, profile, on, off, words in (
                (
                    *(control, CarlaControl, qos.BRIDGE),
                    *(CarlaControl(command=CarlaControl.PAUSE), CarlaControl(command=CarlaControl.PLAY)),
                    "sent PAUSE on carla/control",
                ),
                (override, Bool, qos.BRIDGE_LATCHED_ONE, Bool(data=True), Bool(data=False), "drives by hand"),
            ):
                guids.append(stranger.pass_by(kind, topic, profile, on))
                said = f"(GUID {guids[-1]}) {words}"
                run.until(lambda said=said: said in run.output, "the sender by its GUID", ear)
                run.until(
                    lambda guid=guids[-1]: any(guid in text for text in errors_of(ear, "graph: writers")),
                    "the sender on /diagnostics",
                    ear,
                )
                held = ear.step
                stranger.pass_by(kind, topic, profile, off)
                run.until(lambda held=held: ear.step > held + 3, "steps after it was taken back", ear)
            images = stranger.show_images(3)
            run.until(
                lambda: any("rgb_front/image" in text for text in errors_of(ear, "graph: writers")),
                "the second camera on /diagnostics",
                ear,
            )
            stranger.leave(images)
        report = stopped(run, ear)
    assert json.loads(report)["verdict"] == "NO-GO" and json.loads(report)["causes"][0]["cause"] == "foreign_writer"
    assert all(guid in report for guid in guids) and "rgb_front/image" in report
    assert "clock went back" not in run.output and "Traceback" not in run.output
    recorded = examine(run.folder / "bag")
    assert recorded.verdict is Verdict.NO_GO and recorded.causes[0].cause == "foreign_writer"


def test_a_second_source_of_frames_is_dropped_and_named(tmp_path: Path, domain_id: int) -> None:
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, ENDLESS) as run:
        run.meet(ear)
        with Stranger(domain_id) as stranger:
            run.until(lambda: ear.step >= 5, "5 steps", ear)
            frames = stranger.show_frames(3)
            run.until(lambda: any("td3/frame" in text for text in errors_of(ear, "graph: writers")), "its name", ear)
            held = ear.step
            run.until(lambda: ear.step > held + 3, "steps beside it", ear)
            stranger.leave(frames)
        report = json.loads(stopped(run, ear))
    assert report["verdict"] == "NO-GO" and report["causes"][0]["cause"] == "foreign_writer"
    assert "publishes on /td3/frame" in run.output and "Traceback" not in run.output
