# SPDX-License-Identifier: Apache-2.0
"""Sentences that all reports share."""

from __future__ import annotations

from td3_driving.doctor.causes import Cause
from td3_driving.doctor.diagnosis import Diagnosis, Verdict
from td3_driving.doctor.learning_curve import Learned
from td3_driving.doctor.plain_text import counted
from td3_driving.doctor.rules.camera import camera_note
from td3_driving.doctor.scope import ABSENT

MOST_STEPS = 5
ANSWERS = {
    Learned.LEARNED: "Yes.",
    Learned.RISING: "Yes.",
    Learned.HELD: "Before this log began.",
    Learned.UNKNOWN: "",
}


HEALTH = {
    Verdict.GO: "training healthy",
    Verdict.NO_GO: "training not healthy",
    Verdict.INSUFFICIENT: "training not judged",
}
NOT_MEASURED = "Drives: not measured; the verdict is on the training alone."


def verdict_line(diagnosis: Diagnosis) -> str:
    """The verdict, and what it is on: the training, not the driving."""
    return f"{diagnosis.verdict.value}: {HEALTH[diagnosis.verdict]}"


def driven(diagnosis: Diagnosis) -> str:
    """How the final policy drives, by the drives at the end of the run; empty for runs that are none of ours."""
    last = diagnosis.history.last
    score, success, routes = last("final_score"), last("final_success"), last("final_routes")
    if score is None or success is None:
        return NOT_MEASURED if diagnosis.history.ours else ""
    over = "" if routes is None else f" over {counted(int(routes), 'route')}"
    return f"Drives: success {success:.0f} %, score {score:.1f}{over}; needs its camera: {_camera(diagnosis)}."


def _camera(diagnosis: Diagnosis) -> str:
    needs, blind = diagnosis.history.last("final_needs_camera"), diagnosis.history.last("final_score_blind")
    if needs is None or blind is None:
        return "not known"
    return f"{'yes' if needs > 0.0 else 'no'} (score {blind:.1f} with a black one)"


def headline(diagnosis: Diagnosis) -> str:
    """The reason for the verdict in one sentence, with the warnings of a GO.

    If the policy does not need its camera, a sentence before it says so.
    """
    return camera_note(diagnosis.findings) + _why(diagnosis)


def _why(diagnosis: Diagnosis) -> str:
    if diagnosis.verdict is Verdict.GO:
        return "Nothing critical was found." + warned(diagnosis)
    if diagnosis.verdict is Verdict.INSUFFICIENT:
        return "Nothing critical was found, but the evidence does not suffice." + warned(diagnosis)
    first = first_cause(diagnosis)
    return "A critical finding, without a cause that explains it." if first is None else first.meaning


def warned(diagnosis: Diagnosis) -> str:
    """The rules that warn, in a sentence; empty if there are none."""
    names = list(dict.fromkeys(finding.rule for finding in diagnosis.warnings))
    if not names:
        return ""
    return f" {len(names)} warning{'s' if len(names) > 1 else ''}: {', '.join(names)}."


def learned(diagnosis: Diagnosis) -> str:
    """Whether the run learned: a word, and a sentence with the numbers."""
    return f"{ANSWERS.get(diagnosis.learning.kind, 'No.')} {diagnosis.learning.sentence}".strip()


def first_cause(diagnosis: Diagnosis) -> Cause | None:
    """The top cause of a NO-GO."""
    return diagnosis.causes[0] if diagnosis.causes and diagnosis.verdict is Verdict.NO_GO else None


def reasons(diagnosis: Diagnosis) -> list[str]:
    """What decides the verdict, with its numbers: the top cause, what is missing, or the first warning."""
    first = first_cause(diagnosis)
    if first is not None:
        return [named(diagnosis, first)]
    if diagnosis.verdict is Verdict.INSUFFICIENT:
        return [f"missing: {text}" for text in diagnosis.insufficient if not _told(diagnosis, text)]
    return [f"warning, {finding.rule}: {finding.evidence}" for finding in diagnosis.warnings[:1]]


def named(diagnosis: Diagnosis, cause: Cause) -> str:
    """A cause with its confidence and evidence; without the evidence if the sentence on learning states it."""
    text = f"{cause.cause} ({cause.confidence})"
    return text if _told(diagnosis, cause.evidence) else f"{text}: {cause.evidence}"


def _told(diagnosis: Diagnosis, text: str) -> bool:
    return text.rstrip(".") == diagnosis.learning.sentence.rstrip(".")


def next_steps(diagnosis: Diagnosis) -> list[str]:
    """What to do, most important first."""
    if diagnosis.verdict is Verdict.GO:
        steps = ["Start the longer run with the same configuration; keep the doctor's live alarms on."]
        rules = dict.fromkeys(item.rule for item in diagnosis.warnings)
        ignored = [cause.remedy for cause in diagnosis.causes if cause.cause == "camera_ignored"]
        return [*ignored, *steps, *(f"Look at {rule}." for rule in rules)]
    if diagnosis.verdict is Verdict.INSUFFICIENT:
        return _supply(diagnosis)
    steps = [f"{cause.cause}: {cause.remedy}" for cause in diagnosis.causes[:MOST_STEPS]]
    return [*steps, "Repeat this run at the same length, and compare the two (--against)."]


def first_step(diagnosis: Diagnosis) -> str:
    """The most important one of :func:`next_steps`, without the name of its cause."""
    first, text = first_cause(diagnosis), next_steps(diagnosis)[0]
    return text if first is None else text.removeprefix(f"{first.cause}: ")


def _supply(diagnosis: Diagnosis) -> list[str]:
    if diagnosis.learning.early:
        steps = ["Let it run on, or repeat it over its whole budget, and ask again."]
    else:
        steps = ["Log the return of every episode, or the mean, and ask again."]
    others = [text for text in diagnosis.insufficient if not _told(diagnosis, text)]
    return [*steps, *(f"Supply what is missing: {text}." for text in others)]


def not_judged(diagnosis: Diagnosis) -> list[str]:
    """The rules that could not judge, one line each with the reason; one line for all that the algorithm lacks."""
    lines = [f"the log is {diagnosis.source.damage}"] if diagnosis.source.damage else []
    lines += [f"{item.rule}: {item.reason}" for item in diagnosis.outcomes if item.reason]
    foreign = [item.rule for item in diagnosis.outcomes if item.status == "not of this algorithm"]
    if diagnosis.scope.family in ABSENT and foreign:
        lines.append(f"{', '.join(foreign)}: {diagnosis.scope.sentence}")
    return lines
