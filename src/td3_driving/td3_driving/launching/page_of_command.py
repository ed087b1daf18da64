# SPDX-License-Identifier: Apache-2.0
"""The live page of a command that drives or reads in this process."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

from td3_driving.live.browser import show
from td3_driving.live.needs import require_sdk

if TYPE_CHECKING:
    from td3_driving.launching.evaluation_view import DrivesOnPage
    from td3_driving.live.server import LiveServer

LOOK = 1.0
"""Wall time between two looks at whether the server still runs [s]."""


@contextmanager
def live_page(wanted: bool, console: Console, learns: bool = True, port: int = 0) -> Iterator[LiveServer | None]:
    """Serve a page while the block runs; None where it is not ``wanted``.

    Args:
        learns: whether there are a reward and estimates of Q to show.
        port: see :class:`LiveServer`.

    Raises:
        ViewError: Rerun's SDK is not installed, or its server does not start.
    """
    if not wanted:
        yield None
        return
    require_sdk()
    # Only now: the SDK is an extra.
    from td3_driving.live.server import LiveServer

    with LiveServer("time", learns, port) as server:
        console.print(f"live page {server.url}")
        show(server.url)
        yield server


def drives_on_page(server: LiveServer) -> DrivesOnPage:
    """What shows the drives of an evaluation on the page of ``server``."""
    from td3_driving.launching.evaluation_view import DrivesOnPage

    return DrivesOnPage(server.page)


def stay(server: LiveServer, console: Console) -> None:
    """Keep the page until a person or a service ends it, or its server is gone."""
    console.print("the page stays until Ctrl-C")
    ends = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    try:
        while server.alive and signal.sigtimedwait(ends, LOOK) is None:
            pass
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
