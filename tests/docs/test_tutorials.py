# SPDX-License-Identifier: Apache-2.0
"""The tutorials, carried out block by block, as a reader would."""

from __future__ import annotations

from pathlib import Path

import pytest

from .blocks import DOCS, Block, blocks
from .workshop import Workshop

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")
TUTORIALS = sorted(DOCS.glob("tutorials/*.md"))
LANGUAGES = {"bash", "python", "yaml", "text"}


@pytest.mark.slow
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_tutorial_works(page: Path, tmp_path: Path, domain_id: int) -> None:
    workshop = Workshop(tmp_path, domain_id)
    for block in blocks(page):
        workshop.do(block)


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_every_block_says_what_it_is(page: Path) -> None:
    """A block without a language would be neither run nor named as output."""
    found = list(blocks(page))
    assert found
    assert {block.language for block in found} <= LANGUAGES
    assert any(not block.mark and block.language in ("bash", "python") for block in found), "nothing of it is run"


def block(code: str, language: str = "bash", title: str = "", above: str = "") -> Block:
    return Block(Path("page.md"), 1, language, title, code, above)


def test_failing_block_is_reported(tmp_path: Path, domain_id: int) -> None:
    with pytest.raises(AssertionError, match=r"page.md:1 ended with 3:\nexit 3"):
        Workshop(tmp_path, domain_id).do(block("exit 3"))


def test_marked_block_is_not_run(tmp_path: Path, domain_id: int) -> None:
    Workshop(tmp_path, domain_id).do(block("exit 3", above="Needs a vehicle:"))


def test_block_with_a_title_is_a_file(tmp_path: Path, domain_id: int) -> None:
    workshop = Workshop(tmp_path, domain_id)
    workshop.do(block("ANSWER = 42", "python", "mine.py"))
    workshop.do(block("python -c 'import mine, sys; sys.exit(mine.ANSWER != 42)'"))


def test_program_finds_a_module_of_the_reader_where_the_reader_says_it_is(tmp_path: Path, domain_id: int) -> None:
    """As outside of the tests, the folder that a command is given in is not on its path by itself."""
    workshop = Workshop(tmp_path, domain_id)
    workshop.do(block("ANSWER = 42", "python", "mine.py"))
    (tmp_path / "bin" / "program").write_text("#!/usr/bin/env python\nimport mine\n", encoding="utf-8")
    (tmp_path / "bin" / "program").chmod(0o755)
    workshop.do(block("! program"))
    workshop.do(block("PYTHONPATH=$PWD:$PYTHONPATH program"))


def test_commands_of_the_project_are_found(tmp_path: Path, domain_id: int) -> None:
    workshop = Workshop(tmp_path, domain_id)
    workshop.do(block("td3-driving --version | grep -E '^[0-9.]+'\nmake help | grep 'make train'\ntools/env.sh true"))
