"""Sentences that all reports share."""

from __future__ import annotations

from td3_driving.doctor.causes import CAUSES, Cause
from td3_driving.doctor.diagnosis import Diagnosis, Verdict
from td3_driving.doctor.learning_curve import Learned
from td3_driving.doctor.rules.camera import camera_note
from td3_driving.doctor.scope import ABSENT

MOST_STEPS = 5
ANSWERS = {
    Learned.LEARNED: "Yes.",
    Learned.RISING: "Yes.",
    Learned.HELD: "Before this log began.",
    Learned.UNKNOWN: "",
}


def headline(diagnosis: Diagnosis) -> str:
    """Why the verdict is what it is, in one sentence; a GO says how many warnings it carries.

    Before it, that the policy does not look, where it does not.
    """
    return camera_note(diagnosis.findings) + _why(diagnosis)


def _why(diagnosis: Diagnosis) -> str:
    if diagnosis.verdict is Verdict.GO:
        return "Nothing critical was found." + warned(diagnosis)
    if diagnosis.verdict is Verdict.INSUFFICIENT:
        return "Nothing critical was found, but the evidence does not suffice." + warned(diagnosis)
    first = first_cause(diagnosis)
    return "A critical finding, without a cause that explains it." if first is None else CAUSES[first.cause].meaning


def warned(diagnosis: Diagnosis) -> str:
    """The warnings by rule and name, so that no verdict hides one; empty without any."""
    names = list(dict.fromkeys(f"{finding.rule} {finding.title}" for finding in diagnosis.warnings))
    if not names:
        return ""
    return f" {len(names)} warning{'s' if len(names) > 1 else ''}: {', '.join(names)}."


def learned(diagnosis: Diagnosis) -> str:
    """Whether it learned, in a word and in a sentence with the numbers."""
    return f"{ANSWERS.get(diagnosis.learning.kind, 'No.')} {diagnosis.learning.sentence}".strip()


def first_cause(diagnosis: Diagnosis) -> Cause | None:
    """The cause to begin with, if the verdict rests on causes."""
    return diagnosis.causes[0] if diagnosis.causes and diagnosis.verdict is Verdict.NO_GO else None


def reasons(diagnosis: Diagnosis) -> list[str]:
    """What decides, with its number: the first cause, what is missing, or the first warning."""
    first = first_cause(diagnosis)
    if first is not None:
        return [named(diagnosis, first)]
    if diagnosis.verdict is Verdict.INSUFFICIENT:
        return [f"missing: {text}" for text in diagnosis.insufficient if not _told(diagnosis, text)]
    return [f"warning, {finding.title}: {finding.evidence}" for finding in diagnosis.warnings[:1]]


def named(diagnosis: Diagnosis, cause: Cause) -> str:
    """A cause with its confidence and its number, unless the sentence on learning holds that already."""
    text = f"{cause.cause} ({cause.confidence})"
    return text if _told(diagnosis, cause.evidence) else f"{text}: {cause.evidence}"


def _told(diagnosis: Diagnosis, text: str) -> bool:
    return text.rstrip(".") == diagnosis.learning.sentence.rstrip(".")


def next_steps(diagnosis: Diagnosis) -> list[str]:
    """What to do, most important first."""
    if diagnosis.verdict is Verdict.GO:
        steps = ["Start the longer run with the same configuration; keep the doctor's live alarms on."]
        by_rule = {item.rule: item for item in reversed(diagnosis.warnings)}
        ignored = [CAUSES[cause.cause].remedy for cause in diagnosis.causes if cause.cause == "camera_ignored"]
        return [*ignored, *steps, *(f"Look at rule {rule}, {by_rule[rule].title}." for rule in sorted(by_rule))]
    if diagnosis.verdict is Verdict.INSUFFICIENT:
        return _supply(diagnosis)
    steps = [f"{cause.cause}: {CAUSES[cause.cause].remedy}" for cause in diagnosis.causes[:MOST_STEPS]]
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
    """Rules that could not judge, one line each with the reason; what the algorithm has not makes one line."""
    lines = [f"{item.rule} {item.title}: {item.reason}" for item in diagnosis.outcomes if item.reason]
    foreign = [str(item.rule) for item in diagnosis.outcomes if item.status == "not of this algorithm"]
    if diagnosis.scope.family in ABSENT and foreign:
        lines.append(f"{', '.join(foreign)}: {diagnosis.scope.sentence}")
    return lines


def described(cause: str) -> str:
    """What a cause means."""
    return CAUSES[cause].meaning
