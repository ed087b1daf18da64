# SPDX-License-Identifier: Apache-2.0
"""A process that is stopped while it starts or imports its node."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from td3_driving.launching.child import command, heeds_interrupt
from td3_driving.launching.node_table import ProcessSpec
from td3_driving.processes.child_process import start_process

from ..shared.patience import HANG

LIBRARY = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        pass
except KeyboardInterrupt as error:
    raise ImportError("a library of C made this of it") from error
def main():
    return 7
"""
PROGRAM = """
import signal, sys
from td3_driving.launching import child
signal.signal(signal.SIGINT, signal.{handler})
child.MODULES["slow"] = "slow_node"
sys.argv = ["child", "slow"]
sys.exit(child.main())
"""


@pytest.mark.parametrize(("handler", "code"), [("default_int_handler", 130), ("SIG_IGN", 7)])
def test_ctrl_c_while_it_imports_is_no_traceback_and_who_ignores_it_goes_on(
    handler: str, code: int, tmp_path: Path
) -> None:
    (tmp_path / "slow_node.py").write_text(LIBRARY)
    paths = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    command = [sys.executable, "-c", PROGRAM.format(handler=handler)]
    ran = subprocess.run(
        command, capture_output=True, text=True, timeout=HANG, env={**os.environ, "PYTHONPATH": paths}, check=False
    )
    assert (ran.returncode, ran.stderr) == (code, "")


@pytest.mark.parametrize("pause", [0.0, 0.01, 0.02, 0.04, 0.08])
def test_ctrl_c_before_python_has_started_ends_it_without_a_word(pause: float) -> None:
    words = command(ProcessSpec("doctor", "doctor", arguments=("--help",)), "")
    assert heeds_interrupt(words) and not heeds_interrupt(["ros2", "bag", "record"])
    child = start_process(words, os.environ, hold_interrupt=True)
    try:
        child.wait(pause or 1e-9)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGINT)
    said, _ = child.communicate(timeout=HANG)
    assert (child.returncode, said) == (130, b"")
