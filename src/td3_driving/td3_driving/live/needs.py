# SPDX-License-Identifier: Apache-2.0
"""What the live page needs beside the rest of the project."""

from __future__ import annotations

from importlib.util import find_spec

from td3_driving.processes.extras import install


class ViewError(ValueError):
    """The live page cannot be shown; one sentence says why."""


def require_sdk() -> None:
    """Check that Rerun's SDK is installed, without importing it.

    Raises:
        ViewError: it is not.
    """
    if find_spec("rerun") is None or find_spec("rerun_cli") is None:
        raise ViewError(f"the live page needs rerun-sdk, which is not installed: {install('live')}")
