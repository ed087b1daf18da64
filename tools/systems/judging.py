# SPDX-License-Identifier: Apache-2.0
"""What counts as good: the work is done, or refused in a sentence; never a traceback, never a process left behind."""

from __future__ import annotations

from dataclasses import dataclass

from tools.systems.place import Shown

WORKS, REFUSED, FAILS, NOT_AT_HAND = "works", "is refused", "FAILS", "not at hand"
BAD_INPUT, INTERRUPTED = 2, 130


@dataclass(frozen=True)
class Outcome:
    """What came of a trial, the sentence that the user reads, and where it fails all that the command printed."""

    word: str
    sentence: str = ""
    output: str = ""


def worked(answer: Shown, said: str = "") -> Outcome:
    """The command did its work; ``said`` must be in a line of its output, which is the sentence."""
    fault = _fault(answer) or (f"exit code {answer.code}" if answer.code else "")
    line = _line(answer, said) if said else ""
    if fault or (said and not line):
        return Outcome(FAILS, fault or f"{said!r} was not said", answer.output)
    return Outcome(WORKS, line)


def refused(answer: Shown, said: str) -> Outcome:
    """The command was refused with exit code 2 and a line that has ``said`` in it."""
    fault = _fault(answer) or ("" if answer.code == BAD_INPUT else f"exit code {answer.code}")
    line = _line(answer, said)
    if fault or not line:
        return Outcome(FAILS, fault or f"{said!r} was not said", answer.output)
    return Outcome(REFUSED, line)


def ended(answer: Shown, codes: tuple[int, ...] = (INTERRUPTED,)) -> Outcome:
    """The command ended by a signal in order; of one that signal n itself ended, as make is, a shell says 128 + n."""
    code = 128 - answer.code if answer.code < 0 else answer.code
    fault = _fault(answer) or ("" if code in codes else f"exit code {code}")
    return Outcome(FAILS, fault, answer.output) if fault else Outcome(WORKS, f"ends with {code}, no process is left")


def _fault(answer: Shown) -> str:
    if "Traceback (most recent call last)" in answer.output or "UnicodeEncodeError" in answer.output:
        return f"a traceback: {answer.lines[-1]}"
    return f"still there: {'; '.join(answer.left)}" if answer.left else ""


def _line(answer: Shown, said: str) -> str:
    return next((line.removeprefix("error: ") for line in answer.lines if said in line), "")
