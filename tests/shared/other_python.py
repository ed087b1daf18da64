# SPDX-License-Identifier: Apache-2.0
"""Programs in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .patience import HANG


def printed_by(code: str, *folders: Path) -> str:
    """What a program prints; ``folders`` are searched for modules before all others. It must end with 0."""
    path = os.pathsep.join([*map(str, folders), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": path}
    answer = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=True, env=environment)
    return answer.stdout
