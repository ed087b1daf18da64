# SPDX-License-Identifier: Apache-2.0
"""Waits for a few subscriptions and services without an executor.

An executor builds its wait set anew from every entity of the node, which costs more than a simulated frame. Here only
the entities that answer a frame are waited for; an executor serves the rest periodically. The calls are those that
``rclpy.wait_for_message`` makes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from rclpy.client import Client
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.node import Node
from rclpy.service import Service
from rclpy.signals import SignalHandlerGuardCondition
from rclpy.subscription import Subscription

WITH_INFO = Subscription.CallbackType.WithMessageInfo
REST_PERIOD = 0.1
"""Wall time between two looks of :func:`spin_fast` at the rest of a node [s]."""


class OpenCall(Protocol):
    """A call of a service that takes its answer itself."""

    @property
    def client(self) -> Client[Any, Any]:
        """That made the call."""
        ...

    def take(self) -> bool:
        """Take the answer; returns whether there was one."""
        ...


class FastWait:
    """Takes messages of ``subscriptions`` and requests of ``services`` and hands them to their own callbacks.

    Callers may replace entries of the lists at any time but may not add any.

    Args:
        guards: guard conditions that end a wait too; their own callbacks are called.
        calls: open calls that take their answers themselves.
    """

    def __init__(
        self,
        context: Context,
        subscriptions: list[Subscription],
        services: list[Service],
        guards: Sequence[GuardCondition] = (),
        calls: Sequence[OpenCall] = (),
    ) -> None:
        self._subscriptions, self._services, self._guards, self._calls = subscriptions, services, guards, calls
        self._interrupt = SignalHandlerGuardCondition(context=context)
        counts = len(subscriptions), 1 + len(guards), 0, len(calls), len(services), 0
        self._set: Any = _rclpy.WaitSet(*counts, _handle(context))

    def once(self, timeout: float) -> bool:
        """Serve what has arrived, else wait up to ``timeout`` [s] of wall time; returns whether anything came."""
        wait_set = self._set
        wait_set.clear_entities()
        for subscription in self._subscriptions:
            wait_set.add_subscription(subscription.handle)
        for service in self._services:
            wait_set.add_service(service.handle)
        wait_set.add_guard_condition(self._interrupt.handle)
        for guard in self._guards:
            wait_set.add_guard_condition(guard.handle)
        for call in self._calls:
            wait_set.add_client(call.client.handle)
        wait_set.wait(max(int(timeout * 1e9), 0))
        for guard in self._ready("guard_condition", self._guards) if self._guards else ():
            if guard.callback is not None:
                guard.callback()
        ready = [take_message(entity) for entity in self._ready("subscription", self._subscriptions)]
        ready += [self._take_request(entity) for entity in self._ready("service", self._services)]
        if self._calls:
            pointers = self._set.get_ready_entities("client")
            ready += [call.take() for call in self._calls if call.client.handle.pointer in pointers]
        return any(ready)

    def drain(self) -> None:
        """Serve the messages that have arrived, without a wait set.

        No more than a queue holds: large images of a camera come as fast as they are taken on a busy machine.
        """
        for subscription in self._subscriptions:
            waiting = max(subscription.qos_profile.depth, 1)
            while waiting and take_message(subscription):
                waiting -= 1

    def _ready(self, kind: str, entities: Sequence[Any]) -> list[Any]:
        pointers = self._set.get_ready_entities(kind)
        return [entity for entity in entities if entity.handle.pointer in pointers]

    @staticmethod
    def _take_request(service: Service) -> bool:
        with service.handle:
            request, info = service.handle.service_take_request(service.srv_type.Request)
        if request is None or info is None:
            return False
        answer: Callable[[Any, Any], Any] = service.callback
        service.send_response(answer(request, service.srv_type.Response()), info)
        return True


def take_message(subscription: Any) -> bool:
    """Pass the oldest waiting message to the subscription's callback; returns whether there was one."""
    with subscription.handle:
        taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
    if taken is not None:
        # As an executor does: some callbacks also want to know who sent the message.
        subscription.callback(*(taken if subscription._callback_type is WITH_INFO else taken[:1]))
    return taken is not None


class Housekeeping:
    """Schedules the less urgent work of a node that answers frames, so that no frame waits for it.

    Args:
        period: wall time between two rounds while frames keep coming [s].
        overdue: wall time after which a round goes before a frame that has arrived, whole or in part [s].
        clock: of the wall [s].

    Attributes:
        answered: set by the node when it has answered a frame: the best moment for a round.
    """

    def __init__(self, period: float, overdue: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._period, self._overdue, self._clock = period, overdue, clock
        self._last = float("-inf")
        self.answered = False

    def due(self, busy: bool) -> bool:
        """Return whether to do a round, after a wait in which something came (``busy``) or nothing did."""
        now = self._clock()
        patience = self._period if self.answered else self._overdue
        self.answered = False
        if busy and now - self._last <= patience:
            return False
        self._last = now
        return True


def spin_fast(node: Node, subscriptions: list[Subscription]) -> None:
    """Spin a node to which hundreds of messages a second come on ``subscriptions``, and little else happens."""
    fast, house = FastWait(node.context, subscriptions, []), Housekeeping(REST_PERIOD, REST_PERIOD)
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    while node.context.ok():
        if house.due(fast.once(REST_PERIOD)):
            executor.spin_once(timeout_sec=0.0)


def _handle(context: Context) -> Any:
    if context.handle is None:
        raise RuntimeError("the ROS context is not initialised")
    return context.handle
