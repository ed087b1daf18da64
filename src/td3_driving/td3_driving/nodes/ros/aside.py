# SPDX-License-Identifier: Apache-2.0
"""Does long work of a node in a second thread, and what follows from it in the thread of the node."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import BoundedSemaphore
from typing import TypeVar

from rclpy.node import Node

from td3_driving.nodes.ros.entry import until_context_ends

ResultT = TypeVar("ResultT")
MOST = 4
"""Pieces of work that wait; whoever asks for more waits until one is done."""


class Aside:
    """Work that takes milliseconds without Python's lock, such as hashing, does not delay the answers of the node.

    Args:
        node: in whose thread the results are taken.
        prepare: called first in the second thread.

    Attributes:
        ready: guard condition that wakes the node; a wait that does not serve the whole node must know it.
    """

    def __init__(self, node: Node, prepare: Callable[[], None]) -> None:
        self.ready = node.create_guard_condition(self._collect)
        self._pool = ThreadPoolExecutor(1, "aside", initializer=prepare)
        self._room = BoundedSemaphore(MOST)
        self._done: deque[Callable[[], None]] = deque()

    def do(self, work: Callable[[], ResultT], then: Callable[[Callable[[], ResultT]], None]) -> None:
        """Do ``work`` in the second thread, then ``then`` in the node's, in the order of the calls.

        ``then`` gets a function that returns the result of ``work``, or raises what it raised.
        """
        self._room.acquire()
        self._pool.submit(work).add_done_callback(partial(self._finish, then))

    def _finish(self, then: Callable[[Callable[[], ResultT]], None], done: Future[ResultT]) -> None:
        self._done.append(partial(then, done.result))
        self._room.release()
        with until_context_ends():
            self.ready.trigger()

    def _collect(self) -> None:
        while self._done:
            self._done.popleft()()
