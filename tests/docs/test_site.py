# SPDX-License-Identifier: Apache-2.0
"""The site builds without a warning, needs nothing of the net, and the reference is that of the code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tools.reference.guide_tables import PLACE, TABLES, guides, renewed

from ..shared.patience import HANG
from .blocks import DOCS, ROOT

ATTRIBUTES = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "video": "src"}
"""Tags that load something, and the attribute that says what."""
NAMING = {"canonical", "alternate", "next", "prev"}
"""Kinds of ``link`` that load nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; mkdocs is told to fail at the first warning."""
    pytest.importorskip("material", reason="mkdocs-material is not in this environment")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG, check=False)
    assert answer.returncode == 0, answer.stderr
    return folder


class Loaded(HTMLParser):
    """Collects what a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        address = given.get(ATTRIBUTES.get(tag, ""))
        if address and not (tag == "link" and given.get("rel") in NAMING):
            self.addresses.append(address)


def loaded(page: str) -> list[str]:
    parser = Loaded()
    parser.feed(page)
    return parser.addresses


def foreign(addresses: list[str]) -> list[str]:
    return [address for address in addresses if re.match(r"(https?:)?//", address)]


def test_every_page_of_the_documentation_is_in_the_site(site: Path) -> None:
    wanted = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")}
    assert wanted <= {path.relative_to(site) for path in site.rglob("*.html")}


def test_pages_load_nothing_from_the_net(site: Path) -> None:
    pages = {path.name: loaded(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    assert pages["index.html"], "a page that loads no style sheet was not understood"
    assert {name: found for name, addresses in pages.items() if (found := foreign(addresses))} == {}


def test_styles_load_nothing_from_the_net(site: Path) -> None:
    texts = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert texts
    assert [
        found for text in texts for found in re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)]*", text)
    ] == []


def test_no_page_has_a_figure_that_a_script_of_the_net_would_draw(site: Path) -> None:
    assert [path.name for path in site.rglob("*.html") if 'class="mermaid"' in path.read_text(encoding="utf-8")] == []


def test_foreign_addresses_are_seen() -> None:
    scripts = '<script src="https://a.example/x.js"></script><script src="mine.js"></script>'
    page = scripts + '<img src="//b.example/y.png"><link rel="next" href="//c.example">'
    assert foreign(loaded(page)) == ["https://a.example/x.js", "//b.example/y.png"]


def test_reference_is_that_of_the_code() -> None:
    command = [sys.executable, "-m", "tools.reference", "--check"]
    paths = filter(None, (str(ROOT / "src" / "td3_driving"), os.environ.get("PYTHONPATH")))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    answer = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=HANG, check=False
    )
    assert answer.returncode == 0, answer.stderr


def test_each_table_of_the_code_stands_in_one_guide() -> None:
    pages = [page.read_text(encoding="utf-8") for page in guides()]
    assert sorted(name for page in pages for name in PLACE.findall(page)) == sorted(TABLES)
    assert len(pages) == 8


@pytest.mark.parametrize(
    ("page", "said", "wrong"),
    [
        ("carla.md", "3.7, 3.8, 3.10", "3.7, 3.8"),
        ("conformance.md", "A frame waits one second", "A frame waits two seconds"),
        ("deployment.md", "| no image | 150 ms | 300 ms |", "| no image | 100 ms | 300 ms |"),
        ("evaluation.md", "stands with the brake on", "stands"),
        ("live.md", "speed [km/h]", "speed [m/s]"),
        ("observation.md", "yaw rate, left positive", "yaw"),
    ],
)
def test_a_table_that_differs_from_the_code_is_renewed(page: str, said: str, wrong: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert said in text
    assert renewed(text.replace(said, wrong)) == text
