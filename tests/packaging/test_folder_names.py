# SPDX-License-Identifier: Apache-2.0
"""The build refuses a folder that it cannot do with, in its first line and before it does anything."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ..shared.patience import HANG

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def build_in(folder: Path) -> subprocess.CompletedProcess[str]:
    """``tools/build.sh`` in a copy of the repository that holds nothing else, with a Python that is none."""
    (folder / "tools").mkdir(parents=True)
    shutil.copy(TOOLS / "build.sh", folder / "tools")
    (folder / "tools" / "workspace.py").write_text("print('built')\n")
    return subprocess.run(
        ["bash", "tools/build.sh"], cwd=folder, capture_output=True, text=True, timeout=HANG, errors="replace"
    )


@pytest.mark.parametrize(
    "name",
    ["größe", "Рабочий стол", "a b", "it's", 'say "x"', "$HOME", "100%", "a;b", "a:b", "a#b", "(a)", "a*", "a\nb"],
)
@pytest.mark.parametrize("inner", ["", "/inside"])
def test_folder_is_refused_at_once(name: str, inner: str, tmp_path: Path) -> None:
    done = build_in(tmp_path / f"{name}{inner}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: the path of the sources has a character that the build cannot do with: ")
    assert "Move the folder" in done.stderr


def test_long_folder_is_refused_at_once(tmp_path: Path) -> None:
    done = build_in(tmp_path / ("x" * 200))
    assert (done.returncode, done.stdout) == (2, "")
    assert "and the build cannot do with more than 200" in done.stderr


@pytest.mark.parametrize("name", ["plain", "with-dash_and.dot+1", "user@host", "~a,b=c"])
def test_plain_folder_is_built(name: str, tmp_path: Path) -> None:
    done = build_in(tmp_path / name)
    assert done.stdout.splitlines()[-1:] == ["built"], done.stderr


def test_link_to_a_refused_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a b")
    assert build_in(tmp_path / "link" / "p").returncode == 2
