# SPDX-License-Identifier: Apache-2.0
"""The policies of one process: that of its first actor, and those of the others that the parameters ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from rclpy.executors import SingleThreadedExecutor
from rclpy.guard_condition import GuardCondition
from rclpy.service import Service
from rclpy.subscription import Subscription

from td3_driving.nodes.ros.entry import RunEnd, leave, run
from td3_driving.nodes.ros.fast_wait import FastWait
from td3_driving.nodes.ros.together import arguments_of, destroy
from td3_driving.nodes.training.policy import HOUSEKEEPING, PolicyNode
from td3_driving.nodes.training.reset_calls import ResetCalls


class Policies:
    """Serves all of them in one thread, each with topics, pacing and seals of its own."""

    def __init__(self) -> None:
        first = PolicyNode()
        indices = range(first.index + 1, first.index + first.together)
        self._nodes = [first, *(PolicyNode(arguments_of(index, ["actor_id"])) for index in indices)]
        self._house = first.house
        self._executor = SingleThreadedExecutor(context=first.context)
        for node in self._nodes:
            node.house = self._house
            self._executor.add_node(node)
        self._context = first.context
        self._fast = FastWait(self._context, *self._served())

    def _served(self) -> tuple[list[Subscription], list[Service], list[GuardCondition], list[ResetCalls]]:
        """What is served without delay; a policy that is alone waits for a reset in the executor."""
        if len(self._nodes) == 1:
            return self._nodes[0].heard, [], self._nodes[0].wakers, []
        heard = [subscription for node in self._nodes for subscription in node.heard]
        return heard, [], [waker for node in self._nodes for waker in node.wakers], [node.reset for node in self._nodes]

    def live(self) -> None:
        """Answer frames as they come; serve everything else periodically and whenever no frame is due."""
        while self._context.ok():
            try:
                self._turn()
            except RunEnd as end:
                if end.code or all(node.over for node in self._nodes):
                    raise
                self._dismiss()

    def _turn(self) -> None:
        driving = any(node.frames.driving for node in self._nodes)
        busy = driving and self._fast.once(HOUSEKEEPING)
        if self._house.due(busy):
            for _ in self._nodes:
                self._executor.spin_once(timeout_sec=0.0 if driving else HOUSEKEEPING)

    def _dismiss(self) -> None:
        """Serve those no longer whose work is done; they leave the graph with the others."""
        for node in self._nodes:
            for timer in node.timers if node.over else ():
                timer.cancel()

    def close(self) -> None:
        """As :meth:`PolicyNode.close`."""
        for node in self._nodes:
            node.close()

    def destroy_node(self) -> None:
        """Leave the ROS graph."""
        destroy(self._nodes)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of the executable ``policy``."""
    leave(run(Policies, arguments))


if __name__ == "__main__":
    main()
