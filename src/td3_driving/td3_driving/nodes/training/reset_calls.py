# SPDX-License-Identifier: Apache-2.0
"""Calls ``td3/reset_episode`` and handles its answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.client import Client
from rclpy.node import Node
from td3_driving_msgs.srv import ResetEpisode

from td3_driving.driving import decoding, topics
from td3_driving.driving.route import Route, RouteError
from td3_driving.nodes.ros import conversions
from td3_driving.nodes.ros.entry import RunEnd

ANSWER_TIMEOUT = 10.0
"""Wall time after which an unanswered reset is asked for again: the simulator may have been started anew [s]."""


@dataclass(frozen=True, slots=True)
class EpisodeStart:
    """An episode that the simulator has prepared; its first frame has a stamp of ``stamp_ns`` or later."""

    route: Route
    scenario: int
    seed: int
    stamp_ns: int


class ResetCalls:
    """Keeps at most one call open; ignores the answer to an abandoned call.

    Args:
        node: whose client this is.
        on_start: called with the prepared episode.

    Attributes:
        client: that makes the calls.
    """

    def __init__(self, node: Node, on_start: Callable[[EpisodeStart], None]) -> None:
        self.client: Client = node.create_client(ResetEpisode, topics.RESET_EPISODE)
        self._on_start = on_start
        self._asked_at: float | None = None
        self._pending: dict[Any, tuple[int, int]] = {}

    def due(self, now: float) -> bool:
        """Return whether to call (again) at wall time ``now`` [s]."""
        return self._asked_at is None or now - self._asked_at > ANSWER_TIMEOUT

    @property
    def ready(self) -> bool:
        """Return whether the service is available."""
        return bool(self.client.service_is_ready())

    def ask(self, scenario: int, seed: int, now: float) -> str:
        """Call for an episode; returns what the policy then waits for."""
        if not self.ready:
            self._asked_at = None
            return "the simulator's service td3/reset_episode"
        self._asked_at = now
        future = self.client.call_async(ResetEpisode.Request(scenario=scenario, seed=seed))
        self._pending[future] = scenario, seed
        future.add_done_callback(lambda done: self._on_answer(done.result(), *self._pending.pop(done)))
        return "the simulator's answer to a reset"

    def take(self) -> bool:
        """Take an answer that has arrived, without an executor; returns whether there was one.

        The future of the call is dropped: it would swallow the end of the run that an answer may bring.
        """
        with self.client.handle:
            header, answer = self.client.handle.take_response(ResetEpisode.Response)
        if header is None:
            return False
        try:
            future = self.client.get_pending_request(header.request_id.sequence_number)
        except KeyError:
            return False
        asked = self._pending.pop(future)
        self.client.remove_pending_request(future)
        self._on_answer(answer, *asked)
        return True

    def _on_answer(self, answer: ResetEpisode.Response, scenario: int, seed: int) -> None:
        if self._asked_at is None:
            return
        self._asked_at = None
        if not answer.success:
            raise RunEnd(1, f"the simulator refused a reset: {answer.message}")
        try:
            route = Route(conversions.route_points(answer.route))
        except RouteError as error:
            raise RunEnd(1, f"the simulator's route cannot be driven: {error}") from error
        self._on_start(EpisodeStart(route, scenario, seed, decoding.nanoseconds(answer.stamp)))
