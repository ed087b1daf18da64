# SPDX-License-Identifier: Apache-2.0
"""A log for your own training loop. It takes two lines and no dependency, and the doctor reads it.

log = RunLog("runs/mine")
log.write(step, q1=q1.mean(), actor_loss=actor_loss, critic_loss=critic_loss)
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE_NAME = "doctor.jsonl"


class RunLog:
    """Writes ``doctor.jsonl`` into a folder, one line per call, on the disk at once.

    Args:
        folder: of the run; made if it does not exist. An existing log is continued.
    """

    def __init__(self, folder: Path | str) -> None:
        self.path = Path(folder) / FILE_NAME
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a", encoding="utf-8", buffering=1)

    def write(self, step: int, values: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Write values at environment step ``step``.

        Args:
            values: by the doctor's names of series (``q1``, ``episode_return`` …) or by any tag; numbers, or whatever
            ``float`` takes, such as tensors of one element.
        """
        row = {name: float(value) for name, value in {**(values or {}), **more}.items()}
        self._file.write(json.dumps({"step": int(step), "wall_time": time.time(), **row}) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
