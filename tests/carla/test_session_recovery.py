# SPDX-License-Identifier: Apache-2.0
"""A session whose bridge or spawner dies, freezes or does not hear: it starts anew, and counts.

Dead and frozen servers are in ``test_wire_faults.py``.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("carla", reason="the package carla is not installed")

from td3_driving.carla.session import Order

from .fake_stack import CONFIG, Make, cars, until


@pytest.mark.parametrize("victim", ["bridge", "spawner"])
def test_a_killed_program_leads_to_a_new_start(make: Make, victim: str) -> None:
    one = make()
    one.start()
    one.until_ready()
    one.reset()
    pid = one.pid(victim)
    one.kill(victim, signal.SIGKILL)
    until(lambda: not one.session.ready, "notice of the death")
    until(lambda: one.session.ready, "recovery")
    assert one.pid(victim) != pid
    assert one.reset(seed=2).success and len(cars(one)) == 8
    assert any(f"{victim} ended" in text and "new start 1 of 20" in text for text in one.said)
    assert len(one.starts("server")) == 1


def test_a_frozen_bridge_keeps_no_shared_memory_of_others(make: Make) -> None:
    """See :func:`td3_driving.processes.domain.onlooker`; the server speaks no DDS."""
    one = make()
    one.environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    one.start()
    one.until_ready()
    profile = str(CONFIG / "dds" / "onlooker.xml").encode()
    for name, expected in (("bridge", True), ("spawner", True), ("server", False)):
        assert (profile in Path(f"/proc/{one.pid(name)}/environ").read_bytes()) == expected, name


def test_silence_leads_to_a_new_start(make: Make) -> None:
    one = make(carla__silence_timeout=2.0)
    one.start()
    one.until_ready()
    one.bridge.silent = True
    until(lambda: len(one.starts("bridge")) >= 2, "second start of the bridge")
    one.bridge.silent = False
    until(lambda: one.session.ready, "recovery")
    assert one.reset().success
    assert any("no frame for" in text for text in one.said)


@pytest.mark.parametrize("frame_time", [0.0, 0.4], ids=["in too many frames", "for too long"])
def test_a_bridge_that_does_not_hear_leads_to_a_new_start(make: Make, frame_time: float) -> None:
    """At 0.4 s a frame, 200 frames would take 80 s; the reset has 2 s."""
    one = make(carla__reset_timeout=2.0)
    one.start()
    one.until_ready()
    one.bridge.deaf, one.bridge.frame_time = 10**6, frame_time
    answers: list[Any] = []
    one.session.order(Order(0, 4, answers.append))
    until(lambda: len(one.starts("bridge")) >= 2, "second start of the bridge")
    one.bridge.deaf, one.bridge.frame_time = 0, 0.0
    until(lambda: answers, "answer")
    assert answers[0].success
    said = next(text for text in one.said if "did not come to rest at" in text)
    assert said.endswith("new start 1 of 20") and ("in 200 frames" in said) == (frame_time == 0.0)


def test_a_server_that_dies_within_a_reset_delays_it_only(make: Make) -> None:
    one = make(carla__silence_timeout=2.0)
    one.start()
    one.until_ready()
    one.bridge.deaf = 10**6
    answers: list[Any] = []
    one.session.order(Order(0, 4, answers.append))
    until(lambda: one.bridge.teleports, "reset under way")
    one.bridge.silent = True
    until(lambda: len(one.starts("bridge")) >= 2, "second start of the bridge")
    one.bridge.deaf, one.bridge.silent = 0, False
    until(lambda: answers, "answer")
    assert answers[0].success


def test_new_starts_are_counted(make: Make) -> None:
    one = make(carla__restarts=1)
    one.start()
    one.until_ready()
    for _ in range(2):
        one.kill("bridge", signal.SIGKILL)
        until(lambda: not one.session.ready, "notice of the death")
        until(lambda: one.session.ready or one.session.failure, "outcome")
    assert "gave up after 1 new starts; the last reason: bridge ended" in one.failure()
    assert one.audit.unread(["carla"]) == ["carla.discard_frames", "carla.reset_timeout"], (
        "a session honours every setting"
    )
    assert not one.runs("server")
