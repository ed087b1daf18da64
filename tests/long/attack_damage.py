# SPDX-License-Identifier: Apache-2.0
"""What is done to the files of a run that has stopped, and what must be said of it then."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Damage:
    """A damage to files.

    Attributes:
        said: what the resumed run prints, or the doctor where it is not resumed; "" for nothing.
        resumed: whether the run is resumed.
    """

    do: Callable[[Path, random.Random], None]
    said: str
    resumed: bool = True


def cut(path: Path, size: int) -> None:
    """Leave the first ``size`` bytes."""
    with path.open("r+b") as file:
        file.truncate(size)


def flip(path: Path, offsets: list[int]) -> None:
    """Flip one bit in each of the bytes."""
    data = bytearray(path.read_bytes())
    for offset in offsets:
        data[offset] ^= 0x40
    path.write_bytes(data)


def newest_checkpoint(folder: Path) -> Path:
    """The tensors of the newest checkpoint."""
    return max(path for path in (folder / "checkpoints").iterdir() if path.name.isdigit()) / "tensors.safetensors"


def _cut_frames(folder: Path, rng: random.Random) -> None:
    cut(folder / "replay/frames.u8", rng.choice((0, 1000, 100_000)))


def _flip_records(folder: Path, rng: random.Random) -> None:
    path = folder / "replay/records.bin"
    # The first slots are written for sure.
    flip(path, [rng.randrange(5000) for _ in range(rng.randint(1, 5))])


def _cut_checkpoint(folder: Path, rng: random.Random) -> None:
    path = newest_checkpoint(folder)
    cut(path, rng.randrange(path.stat().st_size))


def _cut_events(folder: Path, rng: random.Random) -> None:
    for path in folder.glob("events.out.tfevents.*"):
        cut(path, min(5000, path.stat().st_size - rng.randint(1, 8)))


def _nothing(_: Path, __: random.Random) -> None:
    """The bag of a run is looked at as it is."""


BAG = "doctor RUN/bag"
DAMAGES: dict[str, Damage] = {
    "frames.u8 truncated": Damage(_cut_frames, "bytes instead of"),
    "flips in records.bin": Damage(_flip_records, "left out"),
    "newest checkpoint truncated": Damage(_cut_checkpoint, "resumes from step"),
    "event file cut": Damage(_cut_events, "cut short", resumed=False),
    BAG: Damage(_nothing, "", resumed=False),
}
