# SPDX-License-Identifier: Apache-2.0
"""Commands that the software prints for a person to type."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

PREFIX = "TD3_DRIVING_PREFIX"
"""Variable with the program before which commands of the workspace are typed; ``tools/env.sh`` sets it to itself."""


def pasted(*words: str | Path) -> str:
    """A command that the shell of the person takes as it is printed, whatever folders are called."""
    prefix = os.environ.get(PREFIX, "")
    return shlex.join([*([prefix] if prefix else []), *map(str, words)])


def elsewhere(*words: str) -> str:
    """The same for another machine, in the root of its own copy of the workspace."""
    return shlex.join(["tools/env.sh", *words] if os.environ.get(PREFIX) else words)
