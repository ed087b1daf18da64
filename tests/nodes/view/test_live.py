# SPDX-License-Identifier: Apache-2.0
"""The live page of a real training run: seen in a real browser, and without a trace in the training."""

from __future__ import annotations

import hashlib
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")
pytest.importorskip("rerun", reason="the live page needs rerun-sdk, an extra that is not installed")

import cv2
import numpy as np
from safetensors.numpy import load_file

from td3_driving.live.page import ROUTE
from tools.headless import Browser, program

from ...live.sockets import addresses_heard_on
from ..run_harness import Ear, Run

PAGE = re.compile(r"live page (http://\S+)")


def page_of(run: Run, ear: Ear) -> str:
    """The address that the run prints."""
    run.until(lambda: PAGE.search(run.output) is not None, "address of the page", ear)
    found = PAGE.search(run.output)
    assert found is not None
    return found.group(1)


def near(picture: np.ndarray, colour: tuple[int, int, int], slack: int = 12) -> int:
    """How many pixels of an RGB picture have about this colour."""
    return int((np.abs(picture.astype(int) - colour).max(axis=2) <= slack).sum())


def seen_in(browser: Browser) -> np.ndarray:
    """The picture of the page, (height, width, 3) RGB."""
    coded = np.frombuffer(browser.picture(), dtype=np.uint8)
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[:, :, ::-1])


def panels(picture: np.ndarray) -> dict[str, np.ndarray]:
    """The upper panels of the page: camera on the left, map in the middle, curves on the right."""
    height, width = picture.shape[:2]
    left, right = round(width * 0.37), round(width * 0.66)
    upper, rest = slice(round(height * 0.08), round(height * 0.55)), slice(round(height * 0.08), round(height * 0.95))
    return {
        "camera": picture[upper, :left],
        "map": picture[upper, left:right],
        "curves": picture[rest, right:],
    }


@pytest.mark.slow
@pytest.mark.skipif(program() is None, reason="no Chromium is installed to look at the page with")
def test_a_browser_shows_a_run_and_gets_nothing_from_anywhere_else(tmp_path: Path, domain_id: int) -> None:
    """Camera image, map with the route, curves: all of them arrive, from this machine alone."""
    options = {"run.steps": 100000, "simulator.vehicles": 8}
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, options, "--view") as run, Browser() as browser:
        url = page_of(run, ear)
        browser.open(url)

        def shown(what: str, test: Callable[[np.ndarray], bool]) -> None:
            run.until(lambda: test(panels(seen_in(browser))[what]), f"{what} on the page", ear)

        shown("map", lambda part: near(part, ROUTE) > 100)
        shown("camera", lambda part: len(np.unique(part.reshape(-1, 3), axis=0)) > 500)
        shown("curves", lambda part: near(part, (0, 114, 178)) > 50 and near(part, (213, 94, 0)) > 50)
        assert {host.partition(":")[0] for host in browser.hosts_that_answered()} == {"127.0.0.1"}
        live = run.pid("live")
        assert live is not None and addresses_heard_on(live) == {"127.0.0.1"}


@pytest.mark.slow
def test_a_strict_run_is_the_same_to_the_bit_with_and_without_the_page(tmp_path: Path, domain_id: int) -> None:
    """And the page ends with the run."""
    weights = []
    for name, options in (("without", ()), ("with", ("--view",))):
        (tmp_path / name).mkdir()
        changes = {"run.seed": 1, "pacing.lead": 0, "network.critic": "camera"}
        with Run(tmp_path / name, domain_id, changes, *options) as run:
            assert run.wait() == 0, run.output[-4000:]
        assert (PAGE.search(run.output) is not None) == bool(options)
        kept = load_file(next((run.folder / "checkpoints" / "latest").rglob("*.safetensors")))
        weights.append({key: hashlib.sha256(value.tobytes()).hexdigest() for key, value in kept.items()})
    assert len(weights[0]) > 10 and weights[0] == weights[1]
    found = PAGE.search(run.output)
    assert found is not None
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(found.group(1), timeout=10.0)


@pytest.mark.slow
def test_a_run_goes_on_without_its_page(tmp_path: Path, domain_id: int) -> None:
    """The server is killed under the page, then nothing of it is left and the run still ends well."""
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, None, "--view") as run:
        page_of(run, ear)
        run.kill("live")
        assert run.wait(ear) == 0, run.output[-4000:]
    assert "live ended (killed by SIGKILL); the run goes on without it" in run.output
