# SPDX-License-Identifier: Apache-2.0
"""Looks at a page with a Chromium without a screen, as a person would see it.

``python -m tools.headless http://127.0.0.1:9090/ picture.png --seconds 20`` writes what is there after 20 seconds.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--remote-debugging-pipe",
)
"""WebGL is drawn by the processor; the browser is driven through a pipe, so that no port is open."""
SIZE = 1600, 1000
"""Width and height of the window [px]."""
ANSWER = 300.0
"""Longest wall time for an answer of the browser [s]: on a busy machine a picture takes long."""
NO_PAGE = "Not attached to an active page"
"""What the browser says of a picture between two pages."""


class BrowserError(RuntimeError):
    """The browser is missing, has ended or does not answer."""


def program() -> str | None:
    """Where Chromium is; None where it is not."""
    return next((found for found in map(shutil.which, NAMES) if found), None)


class Browser:
    """A browser with one page; a context manager.

    Args:
        size: width and height of the window [px].

    Raises:
        BrowserError: it is not installed.

    Attributes:
        events: what the page reported so far.
    """

    def __init__(self, size: tuple[int, int] = SIZE) -> None:
        found = program()
        if found is None:
            raise BrowserError(f"none of {', '.join(NAMES)} is installed")
        self.events: list[dict[str, Any]] = []
        self._home = tempfile.TemporaryDirectory(prefix="headless_", ignore_cleanup_errors=True)
        self._rest, self._number, self._session = b"", 0, ""
        (hears, self._writes), (self._reads, tells) = os.pipe(), os.pipe()
        window = (f"--window-size={size[0]},{size[1]}", f"--user-data-dir={self._home.name}")
        # Chromium reads orders from descriptor 3 and answers on 4.
        script = f'exec 3<&{hears} 4>&{tells}; exec "$@"'
        command = ["bash", "-c", script, "headless", found, *OPTIONS, *window, "about:blank"]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, pass_fds=(hears, tells), stdin=quiet, stdout=quiet, stderr=quiet)
        os.close(hears)
        os.close(tells)
        self._attach()

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(20.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._writes)
        os.close(self._reads)
        self._home.cleanup()

    def open(self, url: str) -> None:
        """Load a page."""
        self.order("Page.navigate", url=url)

    def watch(self, seconds: float) -> None:
        """Let time pass and note what the page reports."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0.0:
            self._take(left)

    def picture(self) -> bytes:
        """What the page shows, as PNG."""
        deadline = time.monotonic() + ANSWER
        while True:
            try:
                return base64.b64decode(self.order("Page.captureScreenshot", format="png")["data"])
            except BrowserError as error:
                # For a moment behind a navigation the old page is gone and the new one not there.
                if NO_PAGE not in str(error) or time.monotonic() > deadline:
                    raise
                self.watch(0.2)

    def hosts_that_answered(self) -> set[str]:
        """Hosts and ports of which the page has got anything so far."""
        self._take(0.0)
        answers = [event["params"] for event in self.events if event.get("method") == "Network.responseReceived"]
        urls = [answer["response"]["url"] for answer in answers]
        return {url.split("/")[2] for url in urls if url.startswith("http")}

    def order(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give an order of the DevTools protocol and return its result.

        Raises:
            BrowserError: it is refused, or no answer comes.
        """
        self._number += 1
        sent = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            sent["sessionId"] = self._session
        os.write(self._writes, json.dumps(sent).encode() + b"\0")
        deadline = time.monotonic() + ANSWER
        while (left := deadline - time.monotonic()) > 0.0:
            for answer in self._take(left):
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error'].get('message', 'refused')}")
                return dict(answer.get("result", {}))
        raise BrowserError(f"{method}: no answer within {ANSWER:.0f} s")

    def _attach(self) -> None:
        targets = self.order("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = str(self.order("Target.attachToTarget", targetId=page, flatten=True)["sessionId"])
        for domain in ("Page", "Network", "Runtime"):
            self.order(f"{domain}.enable")

    def _take(self, patience: float) -> list[dict[str, Any]]:
        """Read what comes within ``patience`` [s]; events are kept, the answer to the last order is returned."""
        if not select.select([self._reads], [], [], patience)[0]:
            return []
        chunk = os.read(self._reads, 1 << 20)
        if not chunk:
            raise BrowserError("the browser has ended")
        *whole, self._rest = (self._rest + chunk).split(b"\0")
        messages = [json.loads(text) for text in whole]
        self.events += [message for message in messages if "id" not in message]
        return [message for message in messages if message.get("id") == self._number]


def main() -> int:
    """Write a picture of a page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("url")
    parser.add_argument("picture", type=Path, help="PNG file to write")
    parser.add_argument("--seconds", type=float, default=20.0, help="time to let the page fill (%(default)s)")
    parser.add_argument("--size", type=int, nargs=2, default=SIZE, metavar=("WIDTH", "HEIGHT"))
    asked = parser.parse_args()
    try:
        with Browser(tuple(asked.size)) as browser:
            browser.open(asked.url)
            browser.watch(asked.seconds)
            asked.picture.write_bytes(browser.picture())
    except (BrowserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
