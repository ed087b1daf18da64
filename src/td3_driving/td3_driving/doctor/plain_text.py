# SPDX-License-Identifier: Apache-2.0
"""Output on terminals that cannot show every character: what they lack is written with what they have."""

from __future__ import annotations

import codecs
import os
import sys
import unicodedata
from collections.abc import Mapping

ERRORS = "td3_driving_plain"
"""Name of the error handler of codecs."""
PLAIN = {
    "–": "-", "—": "-", "−": "-", "·": "|", "…": "...", "×": "x", "±": "+-", "≤": "<=", "≥": ">=", "≈": "~", "≠": "!=",
    "→": "->", "←": "<-", "↔": "<->", "↑": "^", "↓": "v", "√": "sqrt", "∞": "inf", "°": " deg", "µ": "u", "μ": "u",
    "²": "^2", "³": "^3", "¹": "^1", "⁻": "-", "✓": "ok", "✔": "ok", "✗": "x", "✘": "x", "•": "*", "“": '"', "”": '"',
    "„": '"', "‘": "'", "’": "'", "│": "|", "┃": "|", "║": "|", "─": "-", "━": "-", "═": "=", "ß": "ss", "Δ": "delta",
    "α": "alpha", "β": "beta", "γ": "gamma", "ε": "epsilon", "λ": "lambda", "π": "pi", "σ": "sigma", "τ": "tau",
    "æ": "ae", "ø": "o", "ł": "l",
}  # fmt: skip
"""Character -> what stands for it."""
BOXES = range(0x2500, 0x2580)
BLOCKS = range(0x2580, 0x25A0)
C_LOCALES = ("C", "POSIX")


def plain(text: str) -> str:
    """The text in ASCII; a character that nothing stands for becomes a question mark."""
    return "".join(character if character.isascii() else _plain(character) for character in text)


def counted(number: int, one: str, more: str = "") -> str:
    """``1 lane``, ``2 lanes``; ``more``: the plural where it is not ``one`` and an s."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def speak_plainly(environment: Mapping[str, str] = os.environ) -> None:
    """Let stdout and stderr replace what their terminal cannot show; call once, when a program starts.

    Where the user chose the locale C by name, it is ASCII: Python takes UTF-8 there, and a terminal of that locale
    would show rubbish.
    """
    codecs.register_error(ERRORS, _replace)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is None:
            continue
        if ascii_asked(environment):
            reconfigure(encoding="ascii", errors=ERRORS)
        else:
            reconfigure(errors=ERRORS)


def ascii_asked(environment: Mapping[str, str]) -> bool:
    """Return whether the locale is C by the user's word and no variable of Python says otherwise."""
    if environment.get("PYTHONIOENCODING") or environment.get("PYTHONUTF8") == "1":
        return False
    # Python itself sets LC_CTYPE to C.UTF-8 where LANG is C.
    return (environment.get("LC_ALL") or environment.get("LANG", "")) in C_LOCALES


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return plain(error.object[error.start : error.end]), error.end


def _plain(character: str) -> str:
    if character in PLAIN:
        return PLAIN[character]
    if ord(character) in BOXES:
        return "+"
    if ord(character) in BLOCKS:
        return "#"
    bare = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode("ascii")
    return bare or "?"
