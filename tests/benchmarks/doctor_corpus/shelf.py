# SPDX-License-Identifier: Apache-2.0
"""Makes the reference shelf from the healthy runs of the corpus."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path

from td3_driving.doctor import reference_shelf
from td3_driving.doctor.examine import examine
from td3_driving.doctor.history import History

HEADER = ("quantity", "share", "low", "middle", "high", "runs")


def write_shelf(folders: Iterable[Path]) -> tuple[Path, int]:
    """Writes the table into the package; gives back its place and the number of runs."""
    histories = [history for folder in folders for history in _healthy(folder)]
    target = Path(reference_shelf.__file__).parent / "shelf" / reference_shelf.FILE
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(reference_shelf.rows(histories))
    return target, len(histories)


def _healthy(folder: Path) -> list[History]:
    truths = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    return [examine(folder / name).history for name, entry in sorted(truths.items()) if entry["kind"] == "healthy"]
