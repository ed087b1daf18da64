# SPDX-License-Identifier: Apache-2.0
"""Tells a policy whether anybody else commands its vehicle or its simulator."""

from __future__ import annotations

from rclpy.node import Node

from td3_driving.nodes.ros.sealed import Trust
from td3_driving.nodes.training.census import SecondWriter
from td3_driving.nodes.training.intruders import Intruders
from td3_driving.nodes.training.outside_orders import OutsideOrders


class OtherWriters:
    """All that a policy knows of others.

    Args:
        node: the policy.
        resetter: see :func:`td3_driving.nodes.training.census.owners`.
        session: of the policy.

    Attributes:
        intruders: keeps them and tells the diagnostics.
        subscriptions: to be served at once.
    """

    def __init__(self, node: Node, trust: Trust, resetter: str, session: int = 0) -> None:
        self.intruders = Intruders(node, trust, session)
        self._second = SecondWriter(node, resetter, self.intruders.suspect)
        self._orders = OutsideOrders(node, resetter, self.intruders)
        self.subscriptions = self._orders.subscriptions

    def holds(self) -> str:
        """What keeps the next episode from beginning, and who does it; empty where nobody does."""
        return self._second.name() or self._orders.in_force()

    def awaited(self) -> str:
        """What to say that the policy waits for; empty where nobody holds it."""
        return f"others to let go: {self.holds()}" if self.holds() else ""

    def touched(self) -> str:
        """What makes the step at hand another's, and whose; empty where it is the policy's own."""
        return self.holds() or self._orders.moved

    def begin(self) -> None:
        """An episode is asked for: it begins where the vehicle should stand."""
        self._orders.moved = ""
