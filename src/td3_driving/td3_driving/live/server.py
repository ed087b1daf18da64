# SPDX-License-Identifier: Apache-2.0
"""Serves the live page to browsers of this machine: Rerun's own server as a child process, on the loopback alone."""

from __future__ import annotations

import json
import os
import re
import socket
import tempfile
import threading
from collections import deque
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from types import TracebackType

import rerun as rr

from td3_driving.live.front import LOOPBACK, Front
from td3_driving.live.layout import layout
from td3_driving.live.needs import ViewError
from td3_driving.live.page import Page
from td3_driving.processes.child_process import start_process

PAGE_PORT, DATA_PORT = 9090, 9876
"""Ports of the page and of its data, where they are free."""
ANY = 0
MEMORY = "256MB"
"""Most that the server keeps for browsers that come late; then the oldest goes."""
PATIENCE = 60.0
"""Wall time for the server to start, and for its end [s]."""
READY = ("Hosting a web-viewer", "Listening for gRPC connections")
"""What the server says once it can be reached."""
LETTERS_COLOURED = re.compile(r"\x1b\[[0-9;]*m")
NAME = "td3_driving"
KEPT_LINES = 5


class LiveServer:
    """A running server and the page that it serves; a context manager.

    Args:
        timeline: what curves run over at first, :data:`td3_driving.live.page.TIME` or ``STEP``.
        learns: whether there are a reward and estimates of Q to show.
        port: of the page; 0 for :data:`PAGE_PORT` where that is free, else any.

    Raises:
        ViewError: it does not start.

    Attributes:
        page: takes what is to be shown.
        url: address of the page.
        data_url: address of the data, for Rerun's own viewer.
    """

    def __init__(self, timeline: str, learns: bool, port: int = 0) -> None:
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._ready = threading.Event()
        data_port, viewer_port = free_port(DATA_PORT), free_port(ANY)
        self.data_url = f"rerun+http://{LOOPBACK}:{data_port}/proxy"
        self._process = self._start(viewer_port, data_port)
        self._front = self._open(port or free_port(PAGE_PORT), viewer_port)
        self.url = self._front.url
        self._recording = rr.RecordingStream(NAME)
        self._recording.connect_grpc(self.data_url, default_blueprint=layout(timeline, learns))
        self.page = Page(self._recording)

    def __enter__(self) -> LiveServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether the server still runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """Hand over what is still on its way, and end the server."""
        if self.alive:
            self._recording.flush(timeout_sec=1.0)
        self._recording.disconnect()
        self._front.close()
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except TimeoutExpired:
            self._process.kill()

    def _open(self, port: int, viewer_port: int) -> Front:
        try:
            return Front(port, viewer_port, self.data_url)
        except OSError as error:
            _abandon(self._process)
            raise ViewError(f"the live page cannot be served on {LOOPBACK}:{port}: {error.strerror}") from error

    def _start(self, viewer_port: int, data_port: int) -> Popen[bytes]:
        command = [str(_program()), "--serve-web", "--bind", LOOPBACK, "--hide-welcome-screen"]
        command += ["--port", str(data_port), "--web-viewer-port", str(viewer_port), "--server-memory-limit", MEMORY]
        # The server reads its settings while it starts.
        with tempfile.TemporaryDirectory(prefix="td3_driving_view_") as folder:
            process = start_process(command, {**os.environ, **_quiet(Path(folder))})
            threading.Thread(target=self._listen, args=(process,), daemon=True).start()
            started = self._ready.wait(PATIENCE) and process.poll() is None
        if not started:
            _abandon(process)
            said = self._lines[-1] if self._lines else f"nothing within {PATIENCE:.0f} s"
            raise ViewError(f"the live page cannot be served, Rerun's server said: {said}")
        return process

    def _listen(self, process: Popen[bytes]) -> None:
        """Keep the last lines of the server's output, and note when it can be reached or has ended."""
        missing = set(READY)
        assert process.stdout is not None
        for line in process.stdout:
            text = LETTERS_COLOURED.sub("", line.decode(errors="replace")).strip()
            self._lines.append(text)
            missing -= {word for word in missing if word in text}
            if not missing:
                self._ready.set()
        process.wait()
        self._ready.set()


def _abandon(process: Popen[bytes]) -> None:
    process.kill()
    process.wait()


def free_port(wanted: int) -> int:
    """``wanted`` where it is free on the loopback, else a port that is."""
    for port in (wanted, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOOPBACK, port))
            return int(probe.getsockname()[1])
    raise ViewError(f"no port of {LOOPBACK} is free for the live page")


def _program() -> Path:
    """Rerun's program itself: the Python module beside it would stand between it and the end of this process."""
    found = find_spec("rerun_cli")
    if found is None or found.origin is None:
        raise ViewError("the package rerun_cli of Rerun's SDK is missing; install rerun-sdk anew")
    return Path(found.origin).parent / "rerun"


def _quiet(folder: Path) -> dict[str, str]:
    """Variables of a server that reports its use to nobody and leaves nothing in the user's home."""
    (folder / "rerun").mkdir()
    answers = {"analytics_enabled": False, "analytics_id": "", "salt": ""}
    (folder / "rerun" / "analytics.json").write_text(json.dumps(answers), encoding="utf-8")
    return {"XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder), "DO_NOT_TRACK": "1", "NO_COLOR": "1"}
