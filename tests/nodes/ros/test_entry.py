# SPDX-License-Identifier: Apache-2.0
"""What every node's ``main`` promises about signals."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from ...shared.patience import HANG

NODE = """
from rclpy.node import Node
from td3_driving.nodes.ros.entry import run


class Busy(Node):
    def __init__(self) -> None:
        super().__init__("busy")

    def live(self) -> None:
        print("busy", flush=True)
        while self.context.ok():
            pass
        print("finished its sentence", flush=True)
        self.get_clock().now()
        self.create_publisher(*PUBLISHER)

    def close(self) -> None:
        print("closed", flush=True)


from std_msgs.msg import Empty
PUBLISHER = (Empty, "late", 1)
raise SystemExit(run(Busy))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_context_and_breaks_nothing_in_its_midst(number: signal.Signals) -> None:
    child = subprocess.Popen([sys.executable, "-c", NODE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "busy\n"
    child.send_signal(number)
    out, err = child.communicate(timeout=HANG)
    assert out.splitlines() == ["finished its sentence", "closed"]
    assert "Traceback" not in err
    assert child.returncode == 0
