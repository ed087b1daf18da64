# SPDX-License-Identifier: Apache-2.0
"""How commands and nodes refuse: one sentence on stderr, and the exit code of bad input."""

from __future__ import annotations

import os
import sys

from td3_driving.plugins import blame
from td3_driving.processes.exit_codes import BAD_INPUT


def refuse(error: Exception) -> int:
    """Print the error in one sentence; return the exit code."""
    print(f"error: {in_words(error)}", file=sys.stderr, flush=True)
    return BAD_INPUT


def in_words(error: Exception) -> str:
    """The message, with the name of the user's object that raised it, if one did.

    Of an error of the operating system it is the file and the reason, without its number.
    """
    if told := blame(error):
        return told
    if not isinstance(error, OSError) or not error.errno:
        return str(error)
    words = os.strerror(error.errno)
    return f"{os.fsdecode(error.filename)}: {words}" if isinstance(error.filename, (str, bytes)) else words
