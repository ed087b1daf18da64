# SPDX-License-Identifier: Apache-2.0
"""The one ``main`` that every node shares."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, Protocol

import rclpy
from rclpy.exceptions import InvalidHandle, NotInitializedException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.node import Node

from td3_driving.plugins import PluginFault, blame
from td3_driving.processes.exit_codes import PLUGIN_FAILED
from td3_driving.processes.hangup import hang_up_as_interrupt
from td3_driving.processes.ros_needs import check_ros, ensure_home, log_variables, spare_log_folder
from td3_driving.runs.refusals import refuse

# rclpy raises these where a signal has ended the context, also between a check and a publication.
_CONTEXT_GONE = (_rclpy.RCLError, InvalidHandle, NotInitializedException, ExternalShutdownException)


class RunEnd(Exception):
    """Raised when a node's work is over.

    Args:
        code: exit code of the process; 0 when it went well.
        reason: one sentence to print; "" for none.
    """

    def __init__(self, code: int = 0, reason: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class RunNode(Protocol):
    """A node that runs until its work is over; :meth:`close` flushes files and sends last messages."""

    def live(self) -> None:
        """Handle messages until ROS ends; raises :class:`RunEnd` when the work is over before."""
        ...

    def close(self) -> None:
        """Called once at the end for any reason; the ROS context may have ended already."""
        ...

    def destroy_node(self) -> None:
        """Leave the ROS graph."""
        ...


def run(
    make_node: Callable[[], RunNode],
    arguments: Sequence[str] | None = None,
    refusals: tuple[type[Exception], ...] = (ValueError, OSError),
) -> int:
    """Initialise ROS, make the node, spin it to its end; the exit code of the process.

    Bad input (any of ``refusals`` while the node is made) is one sentence on stderr and exit code 2; so is what a
    user's object raises, at any time, with exit code 5 once the node lives.
    """
    signal.signal(signal.SIGINT, _leave_it_to_ros)
    sys.unraisablehook = _report_unraisable
    hang_up_as_interrupt()
    try:
        ensure_home()
        check_ros(os.environ)
        os.environ.update(log_variables(os.environ, spare_log_folder()))
    except (ValueError, OSError) as error:
        return refuse(error)
    rclpy.init(args=None if arguments is None else list(arguments))
    node = None
    try:
        with until_context_ends():
            node = make_node()
    except Exception as error:
        rclpy.try_shutdown()
        if isinstance(error, refusals) or blame(error):
            return refuse(error)
        raise
    if node is None:
        return 0
    spare_collector()
    try:
        return _live(node)
    finally:
        node.close()
        if rclpy.ok():
            node.destroy_node()
            rclpy.try_shutdown()


def spare_collector() -> None:
    """Take all that was made so far out of the garbage collector's sight; it lives to the end of the process.

    A full collection walks over every object, and the libraries make hundreds of thousands: it would hold an answer up
    for tens of milliseconds.
    """
    gc.collect()
    gc.freeze()


@contextmanager
def until_context_ends() -> Iterator[None]:
    """Suppress rclpy's errors inside the block once a signal has ended the context."""
    try:
        yield
    except _CONTEXT_GONE:
        if rclpy.ok():
            raise


def leave(code: int) -> NoReturn:
    """End the process with ``code`` at once, without destructors.

    Once a signal has ended the context, Fast DDS can crash in the destruction of a publisher with subscribers
    (``Publisher.destroy``, SIGSEGV). Files are closed by then, and the operating system takes back the rest.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def spin(node: Node) -> None:
    """Spin a node that only reacts to messages and timers."""
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    executor.spin()


def _leave_it_to_ros(_signal: int, _frame: FrameType | None) -> None:
    """Ignore SIGINT in Python: a ``KeyboardInterrupt`` inside a message conversion breaks rclpy.

    rclpy's own handler runs before this one and ends the context; that ends every spin and every wait.
    """


def _report_unraisable(fault: sys.UnraisableHookArgs) -> None:
    """Report an error in a destructor, but for those of rclpy's half-made objects once a signal has ended the context.

    A constructor of rclpy that meets an ended context leaves an object whose destructor misses its attributes.
    """
    of_rclpy = (getattr(fault.object, "__module__", None) or "").split(".")[0] == "rclpy"
    if rclpy.ok() or not of_rclpy:
        sys.__unraisablehook__(fault)


def _live(node: RunNode) -> int:
    try:
        with until_context_ends():
            node.live()
    except RunEnd as end:
        if end.reason:
            print(f"{'error: ' if end.code else ''}{end.reason}", file=sys.stderr, flush=True)
        return end.code
    except Exception as error:
        if isinstance(error, PluginFault) or blame(error):
            refuse(error)
            return PLUGIN_FAILED
        raise
    return 0
