# SPDX-License-Identifier: Apache-2.0
"""The parser of every command: options are written in full, and a word that is none gets the nearest that is one."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Sequence
from typing import Any


class CommandParser(argparse.ArgumentParser):
    """An ``ArgumentParser`` that guesses no option: ``--route`` is not taken for ``--routes``, it is asked about."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **{**named, "allow_abbrev": False})

    def parse_args(  # type: ignore[override]  # The original has one signature for each kind of namespace.
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> Any:
        """As of ``ArgumentParser``; the process ends with exit code 2 where a word is no option of the command."""
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.error("; ".join(self._refusal(word) for word in unknown))
        return parsed

    def format_help(self) -> str:
        """The help as people read it on a terminal: the docstrings that it is made of mark code for other readers."""
        return super().format_help().replace("``", "")

    def _refusal(self, word: str) -> str:
        if not word.startswith("-"):
            return f"{word!r} belongs to no option"
        options = [option for action in self._actions for option in action.option_strings]
        return f"unknown option {word}{did_you_mean(word, options)}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean WORD?`` with the nearest of the known words, or nothing where none is near."""
    near = difflib.get_close_matches(word.partition("=")[0], list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
