# SPDX-License-Identifier: Apache-2.0
"""A small disk of its own that can be filled and emptied."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BALLAST = "ballast"


@contextmanager
def small_disk(folder: Path, size: str = "8m") -> Iterator[Path]:
    """``folder`` as a file system of ``size`` in main memory; skips the test where none can be mounted."""
    folder.mkdir()
    try:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=False)
    except OSError:
        pytest.skip("there is no program mount")
    if mounted.returncode:
        pytest.skip("this user may not mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> None:
    """Leave no block of ``disk`` free."""
    with open(disk / BALLAST, "ab", buffering=0) as file:
        for chunk in (2**16, 2**12):
            try:
                while True:
                    file.write(bytes(chunk))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


def empty(disk: Path) -> None:
    """Take the ballast away."""
    (disk / BALLAST).unlink()
