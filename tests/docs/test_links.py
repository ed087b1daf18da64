# SPDX-License-Identifier: Apache-2.0
"""Links between the pages of the repository lead somewhere; links to the net are well-formed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .blocks import DOCS, ROOT, blocks

PAGES = sorted({*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("src/*/README.md")})
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")


def prose(page: Path) -> str:
    """The text of a page without its code."""
    text = page.read_text(encoding="utf-8")
    for block in blocks(page):
        text = text.replace(block.code, "")
    return re.sub(r"`[^`]*`", "`code`", text)


def anchors(page: Path) -> set[str]:
    """The names that the headings of a page get, in the site and on a forge alike."""
    text = page.read_text(encoding="utf-8")
    for block in blocks(page):
        text = text.replace(block.code, "")
    return {slug(heading) for heading in re.findall(r"^#+\s+(.*)$", text, re.MULTILINE)}


def slug(heading: str) -> str:
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


def links(page: Path) -> Iterator[str]:
    yield from LINK.findall(prose(page))


def wrong(page: Path, link: str) -> str:
    """What is wrong with a link, or nothing."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        good = parts.scheme in ("http", "https") and re.fullmatch(r"[\w.-]+(:\d+)?", parts.netloc)
        return "" if good else "not a well-formed address"
    target = (page.parent / parts.path).resolve() if parts.path else page
    if not target.exists() or ROOT not in (target, *target.parents):
        return f"there is no {target}"
    if parts.fragment and target.suffix == ".md" and parts.fragment not in anchors(target):
        return f"{target.name} has no heading {parts.fragment}"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert {link: said for link in links(page) if (said := wrong(page, link))} == {}


def test_links_are_found_and_wrong_ones_seen(tmp_path: Path) -> None:
    page = ROOT / "README.md"
    assert "docs/doctor.md" in set(links(page))
    assert wrong(page, "docs/doctor.md#whether-it-learned") == ""
    assert "no heading" in wrong(page, "docs/doctor.md#whether-it-learnt")
    assert "there is no" in wrong(page, "docs/doctors.md")
    assert "there is no" in wrong(page, "../outside.md")
    assert "well-formed" in wrong(page, "ftp://example.org/file")
    assert "well-formed" in wrong(page, "https://exa mple.org/")
    assert wrong(page, "https://example.org/a#b") == ""


PACKAGE = ROOT / "src" / "td3_driving"
SOURCES = (ROOT, PACKAGE, PACKAGE / "td3_driving", ROOT / "tests" / "benchmarks")
"""Folders below which a page names files."""
TO_BE_MADE = ("doctor/rules/steering.py", "tests/doctor/test_rules_steering.py")
"""Files that a tutorial tells its reader to make."""
FILE = re.compile(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|yaml|yml|sh|xml|csv|json|md))`")


def missing_files(text: str) -> list[str]:
    """Files of the repository that a text names and that are not there; what lies in a run folder is not meant."""
    named = {name for name in FILE.findall(text) if not name.startswith(("runs/", "RUN/")) and name not in TO_BE_MADE}
    return sorted(name for name in named if not any((source / name).exists() for source in SOURCES))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_are_there(page: Path) -> None:
    assert missing_files(page.read_text(encoding="utf-8")) == []


def test_missing_file_is_seen() -> None:
    assert missing_files("`driving/reward.py`, `tests/docs/blocks.py`, `RUN/evaluation.json`") == []
    assert missing_files("`driving/rewards.py` and `tests/docs/nothing.py`") == [
        "driving/rewards.py",
        "tests/docs/nothing.py",
    ]
