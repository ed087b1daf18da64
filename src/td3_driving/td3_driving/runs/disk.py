# SPDX-License-Identifier: Apache-2.0
"""Writes into a run folder whose disk may be full: said in one sentence, tried again, and no end of the run."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


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


def require_places(*files: Path | None) -> None:
    """Check that results can be written before time is spent on them; ``None`` is a result that nobody asked for.

    Raises:
        ValueError: a folder is missing or cannot be written, or a folder is named where a file is wanted.
    """
    for file in files:
        if file is None:
            continue
        why = ""
        if file.is_dir():
            why = "it is a folder"
        elif not file.parent.is_dir():
            why = f"there is no folder {file.parent}"
        elif not os.access(file if file.exists() else file.parent, os.W_OK):
            why = "it may not be written" if file.exists() else f"folder {file.parent} may not be written"
        if why:
            raise ValueError(f"{file} cannot be written: {why}")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is there as a whole or, as before, not.

    Raises:
        OSError: it cannot be written; the error names ``path``.
    """
    building = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(building, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        building.replace(path)
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), str(path)) from error
    finally:
        with suppress(OSError):
            building.unlink(missing_ok=True)


def reason(error: OSError) -> str:
    """``No space left on device (/path)``."""
    words = os.strerror(error.errno) if error.errno else str(error)
    return f"{words} ({error.filename})" if error.filename else words
