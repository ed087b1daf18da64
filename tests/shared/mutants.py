# SPDX-License-Identifier: Apache-2.0
"""Runs tests against a module whose text was changed, in a process that begins with what is imported already."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import signal
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType

from .patience import HANG

SOURCES = Path(__file__).resolve().parents[2] / "src/td3_driving/td3_driving"
PATIENCE = 120.0
"""Time of the processor after which tests that compute without end are ended [s]: a busy machine takes none of it.

Those that wait without end are ended after :data:`HANG`.
"""
PASSED, FAILED, OTHER, HUNG = 0, 1, 2, -signal.SIGALRM
"""How a process of :func:`start` ends: its tests passed, failed, could not be run, or did not end."""


class Substitute(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a changed text instead of from its file.

    Args:
        file: path of the module below the package.
        text: what it is in place of.
    """

    def __init__(self, file: str, text: str) -> None:
        self._name = ".".join(("td3_driving", *Path(file).with_suffix("").parts))
        self._file, self._text = SOURCES / file, text

    def find_spec(self, name: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        """Found here is the one module."""
        if name != self._name:
            return None
        spec = importlib.machinery.ModuleSpec(name, self, origin=str(self._file))
        spec.has_location = True
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed text."""
        exec(compile(self._text, f"<mutant of {self._file.name}>", "exec"), module.__dict__)


def start(file: str, text: str, test: Callable[[], int]) -> int:
    """Run ``test`` in a process of its own against ``text`` in place of ``file``; the id of the process.

    It ends with :data:`PASSED` where ``test`` answers 0, with :data:`FAILED` where it answers 1 (tests failed), with
    :data:`OTHER` where it answers something else, and by the signal of :data:`HUNG` where it does not answer. A module
    that was imported before is not replaced.
    """
    child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_PROF, PATIENCE)
        signal.setitimer(signal.ITIMER_REAL, HANG)
        sys.meta_path.insert(0, Substitute(file, text))
        with open(os.devnull, "w") as silence, redirect_stdout(silence), redirect_stderr(silence):
            code = test()
        os._exit(min(abs(code), OTHER))
    return child


def end_of(child: int) -> int:
    """How the process ``child`` ends; negative is the signal that ended it, one and the same where it does not end."""
    end = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return HUNG if end == -signal.SIGPROF else end
