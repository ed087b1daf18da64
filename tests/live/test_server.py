# SPDX-License-Identifier: Apache-2.0
"""The server of the live page: who can reach it, what it serves, what it leaves behind."""

from __future__ import annotations

import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rerun", reason="the live page needs rerun-sdk, an extra that is not installed")

from td3_driving.live.front import FILES, policy
from td3_driving.live.needs import ViewError
from td3_driving.live.page import TIME
from td3_driving.live.server import LiveServer, free_port

from .sockets import addresses_heard_on, family


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveServer]:
    """A running one, whose user has an empty home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with LiveServer(TIME, learns=False) as running:
        yield running


def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and content of what is at an address."""
    with urllib.request.urlopen(url, timeout=60.0) as answer:
        return answer.status, dict(answer.headers), answer.read()


def test_only_this_machine_reaches_it(server: LiveServer) -> None:
    assert server.url.startswith("http://127.0.0.1:") and server.data_url.startswith("rerun+http://127.0.0.1:")
    heard = addresses_heard_on(os.getpid())
    assert heard == {"127.0.0.1"}


def test_the_page_is_led_to_the_data_and_may_load_nothing_else(server: LiveServer) -> None:
    status, headers, content = fetch(server.url)
    assert status == 200 and b"re_viewer" in content
    asked = urllib.request.urlopen(server.url, timeout=60.0).url
    assert server.data_url.replace("+", "%2B") in asked
    rules = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    assert rules["default-src"] == "'self'"
    assert rules["connect-src"] == "'self' " + server.data_url.removeprefix("rerun+").removesuffix("/proxy")
    assert not any("*" in rule or "https:" in rule for rule in rules.values())
    for name, kind in FILES.items():
        assert fetch(server.url[:-1] + name)[1]["Content-Type"] == kind


@pytest.mark.parametrize("path", ["etc/passwd", "../etc/passwd", "re_viewer.js/..", "%2e%2e/"])
def test_other_files_are_not_there(server: LiveServer, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        fetch(server.url + path)


def test_two_pages_stand_side_by_side(server: LiveServer) -> None:
    with LiveServer(TIME, learns=True) as other:
        assert other.url != server.url and other.data_url != server.data_url
        assert fetch(other.url)[0] == fetch(server.url)[0] == 200


def test_nothing_is_left_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    before = set(family(os.getpid()))
    with LiveServer(TIME, learns=False) as running:
        running.page.at(0.0, 0)
        running.page.say("OK", "here")
        assert len(set(family(os.getpid())) - before) == 1
    assert not running.alive and set(family(os.getpid())) <= before
    with pytest.raises(urllib.error.URLError, match="refused"):
        fetch(running.url)
    assert list(tmp_path.rglob("*")) == []


def test_a_port_that_is_taken_is_named() -> None:
    before = set(family(os.getpid()))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ViewError, match=rf"cannot be served on 127.0.0.1:{port}: Address already in use"):
            LiveServer(TIME, learns=False, port=port)
        assert free_port(port) != port
    assert set(family(os.getpid())) <= before


def test_the_policy_names_one_host() -> None:
    assert policy("127.0.0.1:5").count("http") == 1
