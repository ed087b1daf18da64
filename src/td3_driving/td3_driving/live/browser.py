# SPDX-License-Identifier: Apache-2.0
"""Opens the page for a person who sits at this machine."""

from __future__ import annotations

import os
import webbrowser

SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")
"""Variables of a session that can show a browser."""


def show(url: str) -> None:
    """Open a browser where there is a screen for it."""
    if any(os.environ.get(name) for name in SCREENS):
        webbrowser.open(url)
