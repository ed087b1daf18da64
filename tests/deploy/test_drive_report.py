# SPDX-License-Identifier: Apache-2.0
"""What a policy that only watches hears of who drives, and what the drive node tells of itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from td3_driving.deploy.drive_report import DriveReport
from td3_driving.deploy.driver import DeployedDriver
from td3_driving.deploy.runtime import Loaded
from td3_driving.deploy.shadow import DriverInCharge
from td3_driving.driving.synchroniser import FrameCounts

from .drive_course import LOADED, STRAIGHT, state_at, timed_frame


def test_stamps_tell_what_the_driver_in_charge_did_before_and_at_a_frame() -> None:
    other = DriverInCharge()
    assert tuple(other.before(100, now=0.0)) == (0.0, 0.0) and other.answer_to(100) is None
    first, second = np.array([0.1, 0.2], np.float32), np.array([-0.3, 0.4], np.float32)
    other.hear(100, first, now=1.0)
    other.hear(150, second, now=1.0)
    other.hear(160, np.array([np.nan, 0.0], np.float32), now=1.0)
    assert other.before(150, now=1.0) is first and other.before(151, now=1.0) is second
    assert other.answer_to(100) is first and other.answer_to(101) is second and other.answer_to(151) is None
    assert tuple(other.before(200, now=2.1)) == (0.0, 0.0), "a command of long ago tells nothing"
    other.forget()
    assert other.answer_to(0) is None


def test_report_says_why_nothing_is_decided() -> None:
    driver = DeployedDriver(LOADED, clock=lambda: 0.0)
    driver.take_route(STRAIGHT)
    report, counts = DriveReport(threads=1, shadow=False), FrameCounts()

    def inference(active: bool = True, now: float = 0.0) -> tuple[str, str]:
        status = report.statuses(driver, counts, active, now)[1]
        return status.level, status.message

    assert inference(active=False) == ("OK", "inactive")
    assert inference() == ("STALE", "no complete frame")
    report.note(driver.decide(timed_frame(), state_at(0)), now=0.0)
    assert inference(now=0.5) == ("OK", "driving")
    assert inference(now=1.5) == ("STALE", "no complete frame")
    report.refuse("the camera is upside down")
    assert inference() == ("ERROR", "the camera is upside down")
    for number in range(1, 401):
        report.note(driver.decide(timed_frame(), state_at(2 * number)), now=0.0)
    assert inference()[0] == "WARN" and "10.0 Hz, in training at 20.0 Hz" in inference()[1]
    names = {status.name for status in report.statuses(driver, counts, True, 0.0)}
    assert names == {"policy: bundle", "policy: inference", "policy: frame sync"}


def test_report_warns_of_a_run_that_the_doctor_advises_against() -> None:
    bundle = replace(LOADED.bundle, provenance={"doctor": {"verdict": "NO-GO"}})
    report = DriveReport(threads=1, shadow=True)
    status = report.statuses(DeployedDriver(Loaded(bundle, LOADED.runtime)), FrameCounts(), True, 0.0)[0]
    assert (status.level, status.values["run doctor"]) == ("WARN", "NO-GO")


@pytest.mark.parametrize(
    ("camera", "answer", "cause"),
    [
        ((256, 144, 90.0), 0.002, "the sender left them out"),
        ((1280, 720, 90.0), 0.002, "images of 3.7 MB are too large for the shared memory"),
        ((1280, 720, 90.0), 0.08, "an answer took 80 ms, and frames come every 50 ms"),
    ],
)
def test_lost_frames_are_named_with_what_lets_them_get_lost(
    camera: tuple[int, int, float], answer: float, cause: str
) -> None:
    driver = DeployedDriver(LOADED, clock=lambda: 0.0)
    driver.take_route(STRAIGHT)
    decision = replace(driver.decide(timed_frame(), state_at(0)), observation_s=answer, inference_s=0.0)
    report = DriveReport(threads=1, shadow=False)
    report.note(decision, now=0.0)
    bundle = replace(LOADED.bundle, contract=replace(LOADED.bundle.contract, camera=camera))
    counts = FrameCounts(matched=10, lost=3)
    driver = DeployedDriver(Loaded(bundle, LOADED.runtime))
    status = report.statuses(driver, counts, True, 0.0)[2]
    assert status.level == "WARN"
    assert status.message.startswith("3 frame(s) lost, the clock went back 0 time(s); ") and cause in status.message
    whole = report.statuses(driver, FrameCounts(matched=10), True, 0.0)[2]
    assert whole.message == "every frame complete"
