# SPDX-License-Identifier: Apache-2.0
"""Every source file names its licence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
LINE = "SPDX-License-Identifier: Apache-2.0"
FOLDERS = (".ci", "docker", "docs", "launch", "src", "tests", "tools")
NAMES = ("Makefile", "CMakeLists.txt", "Dockerfile", "run", "td3-driving")
ENDINGS = (".py", ".sh", ".js", ".css")
LEFT_OUT = {"__pycache__", "build", "install", "log", "examples"}
"""What is made, and examples: what a reader of the tutorials writes, letter by letter."""


def sources() -> Iterator[Path]:
    """Every source file; messages, data and prose are none."""
    yield REPOSITORY / "Makefile"
    for folder in FOLDERS:
        for place, folders, files in os.walk(REPOSITORY / folder):
            folders[:] = [name for name in folders if name not in LEFT_OUT and not name.endswith(".egg-info")]
            yield from (Path(place) / name for name in files if name in NAMES or name.endswith(ENDINGS))


def named(text: str) -> bool:
    """Whether the first line, or in a program the one after the interpreter, names the licence."""
    head = text.splitlines()[:2]
    return any(LINE in line for line in (head if text.startswith("#!") else head[:1]))


def without_licence(paths: Iterator[Path]) -> list[str]:
    """Those that do not name it."""
    return [str(path) for path in paths if not path.is_symlink() and not named(path.read_text(encoding="utf-8"))]


def test_every_source_file_names_its_licence() -> None:
    found = list(sources())
    assert len(found) > 400
    assert without_licence(iter(found)) == []


@pytest.mark.parametrize("text", ["import os\n", "#!/bin/sh\nset -e\n# " + LINE + "\n"])
def test_a_file_without_it_is_found(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.py").write_text(text)
    assert without_licence(iter([tmp_path / "a.py"])) == [str(tmp_path / "a.py")]
