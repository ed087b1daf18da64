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


HALF_MADE = """
from rclpy.executors import MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerGuardCondition
from td3_driving.nodes.ros.entry import run


class Broken:
    def __del__(self) -> None:
        raise ValueError("of its own")


def make() -> None:
    node = Node("slow")
    print("making", flush=True)
    while node.context.ok():
        pass
    Broken()
    for make_part in (SingleThreadedExecutor, MultiThreadedExecutor, SignalHandlerGuardCondition):
        try:
            make_part(context=node.context)
        except RuntimeError:
            print("no", make_part.__name__, flush=True)
    SingleThreadedExecutor(context=node.context)


raise SystemExit(run(make))
"""


def test_a_signal_amid_the_making_of_a_node_prints_no_error_of_rclpy_and_hides_none_of_others() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HALF_MADE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "making\n"
    child.send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=HANG)
    assert out.split() == [
        "no",
        "SingleThreadedExecutor",
        "no",
        "MultiThreadedExecutor",
        "no",
        "SignalHandlerGuardCondition",
    ]
    assert "ValueError: of its own" in err
    assert err.count("Traceback") == 1, err
    assert child.returncode == 0
