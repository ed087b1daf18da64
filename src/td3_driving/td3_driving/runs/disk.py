# SPDX-License-Identifier: Apache-2.0
"""Writes into a run folder whose disk may be full: said in one sentence, tried again, and no end of the run."""

from __future__ import annotations

import os
from collections.abc import Callable


class LastingWrites:
    """Carries out writes that a run can do without for a while.

    Attributes:
        fault: why the newest write failed, in one sentence; "" while all is well.
        failures: writes that failed.

    Args:
        what: is written, as the subject of a sentence.
        say: gets one sentence when the writes begin to fail, and one when they work again.
    """

    def __init__(self, what: str, say: Callable[[str], None]) -> None:
        self._what = what
        self._say = say
        self.fault = ""
        self.failures = 0

    def attempt(self, write: Callable[[], object]) -> bool:
        """Write; ``False`` where the operating system refuses."""
        try:
            write()
        except OSError as error:
            self.failures += 1
            self._note(f"{self._what} cannot be written: {reason(error)}; the run goes on and tries again")
            return False
        self._note("")
        return True

    def _note(self, fault: str) -> None:
        """Say a change; what goes on is not said again."""
        if bool(fault) != bool(self.fault):
            self._say(fault or f"{self._what} can be written again, after {self.failures} failed attempt(s)")
        self.fault = fault
        self.failures = self.failures if fault else 0


def reason(error: OSError) -> str:
    """``No space left on device (/path)``."""
    words = os.strerror(error.errno) if error.errno else str(error)
    return f"{words} ({error.filename})" if error.filename else words
