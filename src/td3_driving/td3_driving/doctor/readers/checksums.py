# SPDX-License-Identifier: Apache-2.0
"""The list of checksums in a run folder, in the format of the program ``sha256sum``."""

from __future__ import annotations

import hashlib
from pathlib import Path

FILE = "SHA256SUMS"
LONGEST = 2**20
"""Bytes of the longest list that is read."""


def listed(folder: Path) -> dict[str, str]:
    """Name -> SHA-256 as the list of ``folder`` states it; empty where there is none or it cannot be read."""
    try:
        if (folder / FILE).stat().st_size > LONGEST:
            return {}
        lines = (folder / FILE).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return {}
    parts = [line.partition("  ") for line in lines]
    return {name: digest for digest, gap, name in parts if gap and len(digest) == 64}


def digest_of(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def damage_of(folder: Path, name: str) -> str:
    """What is wrong with a file of a run, in one sentence; empty if it is as written, or in no list."""
    stated, path = listed(folder).get(name), folder / name
    try:
        if stated is None or stated == digest_of(path):
            return ""
    except OSError:
        return f"{path} is in {FILE} and cannot be read"
    return f"{path} is not as the run wrote it: its SHA-256 is not that in {FILE}"
