# SPDX-License-Identifier: Apache-2.0
"""Work in a second thread, whose results the node takes in its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

import rclpy
from rclpy.context import Context
from rclpy.node import Node

from td3_driving.nodes.ros.aside import MOST, Aside
from td3_driving.nodes.ros.fast_wait import FastWait

from ...shared.patience import HANG


@pytest.fixture
def node(domain_id: int) -> Iterator[Node]:
    context = Context()
    rclpy.init(args=[], context=context, domain_id=domain_id)
    made = Node("aside", context=context)
    yield made
    made.destroy_node()
    rclpy.shutdown(context=context)


def serve(node: Node, aside: Aside, reached: Callable[[], bool]) -> None:
    """Wait as a node that answers frames does."""
    wait = FastWait(node.context, [], [], [aside.ready])
    deadline = time.monotonic() + HANG
    while not reached():
        wait.once(0.1)
        assert time.monotonic() < deadline, "nothing came back"


def test_results_come_in_order_in_the_thread_of_the_node(node: Node) -> None:
    places: list[int] = []
    found: list[tuple[int, int]] = []
    aside = Aside(node, lambda: places.append(threading.get_ident()))
    for number in range(3 * MOST):

        def work(number: int = number) -> int:
            places.append(threading.get_ident())
            return number

        aside.do(work, lambda outcome: found.append((outcome(), threading.get_ident())))
        if number % MOST == MOST - 1:
            serve(node, aside, lambda number=number: len(found) == number + 1)  # type: ignore[misc]
    assert found == [(number, threading.get_ident()) for number in range(3 * MOST)]
    assert len(set(places)) == 1 and threading.get_ident() not in places


def test_an_error_is_raised_where_the_result_is_taken(node: Node) -> None:
    aside = Aside(node, lambda: None)
    taken: list[str] = []

    def work() -> int:
        raise ValueError("broken weights")

    def then(outcome: Callable[[], int]) -> None:
        with pytest.raises(ValueError, match="broken weights"):
            outcome()
        taken.append("told")

    aside.do(work, then)
    serve(node, aside, lambda: bool(taken))


def test_the_node_goes_on_while_work_is_done(node: Node) -> None:
    aside, gate, done = Aside(node, lambda: None), threading.Event(), []
    aside.do(lambda: gate.wait(HANG), lambda outcome: done.append(outcome()))
    FastWait(node.context, [], [], [aside.ready]).once(0.0)
    assert done == [], "the work waits, the node does not"
    gate.set()
    serve(node, aside, lambda: done == [True])
