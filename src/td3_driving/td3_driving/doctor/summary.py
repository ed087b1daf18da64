"""Sentences that all reports share."""

from __future__ import annotations

from td3_driving.doctor.causes import CAUSES
from td3_driving.doctor.diagnosis import Diagnosis, Verdict
from td3_driving.doctor.rules.camera import camera_note

MOST_STEPS = 5


def headline(diagnosis: Diagnosis) -> str:
    """Why the verdict is what it is, in one sentence; before it, that the policy does not look, where it does not."""
    return camera_note(diagnosis.findings) + _why(diagnosis)


def _why(diagnosis: Diagnosis) -> str:
    if diagnosis.verdict is Verdict.GO:
        return "Enough data, and no critical finding."
    if diagnosis.verdict is Verdict.INSUFFICIENT:
        return (
            "Nothing critical was found, but the evidence does not suffice: " + "; ".join(diagnosis.insufficient) + "."
        )
    if not diagnosis.causes:
        return "A critical finding, without a cause that explains it."
    return CAUSES[diagnosis.causes[0].cause].meaning


def next_steps(diagnosis: Diagnosis) -> list[str]:
    """What to do, most important first."""
    if diagnosis.verdict is Verdict.GO:
        ignored = [CAUSES[cause.cause].remedy for cause in diagnosis.causes if cause.cause == "camera_ignored"]
        return [*ignored, "Start the longer run with the same configuration; keep the doctor's live alarms on."]
    if diagnosis.verdict is Verdict.INSUFFICIENT:
        return [f"Supply what is missing: {text}." for text in diagnosis.insufficient]
    steps = [f"{cause.cause}: {CAUSES[cause.cause].remedy}" for cause in diagnosis.causes[:MOST_STEPS]]
    return [*steps, "Repeat this run at the same length, and compare the two (--against)."]


def described(cause: str) -> str:
    """What a cause means."""
    return CAUSES[cause].meaning
