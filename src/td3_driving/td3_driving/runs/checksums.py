# SPDX-License-Identifier: Apache-2.0
"""Keeps the list of checksums of ``config.yaml``, ``manifest.json`` and ``evaluation.json`` in a run folder.

What else a run folder holds carries its checksums itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from td3_driving.doctor.readers.checksums import FILE, digest_of, listed


@contextmanager
def sealed(folder: Path, *names: str) -> Iterator[None]:
    """Files ``names`` of ``folder`` are written inside the block.

    They are in no list meanwhile: a process that dies there leaves no file that looks damaged.

    Raises:
        OSError: the list cannot be written.
    """
    kept = {name: digest for name, digest in listed(folder).items() if name not in names}
    _write(folder, kept)
    yield
    _write(folder, kept | {name: digest_of(folder / name) for name in names if (folder / name).is_file()})


def _write(folder: Path, entries: dict[str, str]) -> None:
    fresh = folder / f".{FILE}.new"
    fresh.write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(entries.items())), encoding="utf-8")
    fresh.replace(folder / FILE)
