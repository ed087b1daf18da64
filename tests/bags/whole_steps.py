# SPDX-License-Identifier: Apache-2.0
"""Which steps of a recorded run a bag holds whole: what they were made of is all there."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from td3_driving.bags.reading import Bag
from td3_driving.driving import topics
from td3_driving.driving.decoding import action_of, nanoseconds
from td3_driving.driving.episode import ExitReason
from td3_driving.trust.sources import process_of

PARTS = (topics.IMAGE, topics.ODOMETRY, topics.OBJECTS)


class WholeSteps:
    """Sorts the messages of a bag with one actor in one session, by themselves and not as the replay does."""

    def __init__(self, bag: Bag) -> None:
        self._sensed: set[tuple[str, bytes, int]] = set()
        self._commands: set[tuple[int, bytes]] = set()
        self._ends: dict[tuple[int, int], int] = {}
        self._reasons: dict[int, int] = {}
        self._simulators: dict[int, bytes] = {}
        self._episodes: dict[int, list[Any]] = defaultdict(list)
        kept = {topics.COMMAND, topics.REWARD, topics.EPISODE, topics.EPISODE_START, topics.REPLAY}
        for heard in bag.messages({*PARTS, topics.COLLISION, *kept}):
            stamp, message = nanoseconds(heard.message.header.stamp), heard.message
            if heard.name in (*PARTS, topics.COLLISION):
                self._sensed.add((heard.name, heard.process, stamp))
            elif heard.name == topics.COMMAND:
                self._commands.add((stamp, action_of(message).tobytes()))
            elif heard.name == topics.REWARD:
                self._ends[message.episode_id, message.step_index] = stamp
            elif heard.name == topics.EPISODE:
                self._reasons[message.episode_id] = message.exit_reason
            elif heard.name == topics.EPISODE_START:
                self._simulators[message.episode_id] = process_of(bytes(message.simulator))
            else:
                self._episodes[message.episode_id].append(message)

    def count(self) -> int:
        """How many steps are there with all that the replay needs of them and of those before them."""
        return sum(self._of(*episode) for episode in self._episodes.items())

    def _of(self, episode: int, sent: list[Any]) -> int:
        if episode not in self._simulators:
            return 0
        simulator, count = self._simulators[episode], 0
        for number, step in enumerate(sent):
            end = self._ends.get((episode, number))
            if end is None or not self._answered(simulator, step) or not self._whole(simulator, end):
                break
            if number + 1 == len(sent):
                return count + self._ended(episode, simulator, end)
            if (episode, number + 1) not in self._ends or not self._answered(simulator, sent[number + 1]):
                break
            count += 1
        return count

    def _answered(self, simulator: bytes, step: Any) -> bool:
        """Whether the first frame of ``step`` and its command are there."""
        stamp = nanoseconds(step.header.stamp)
        return self._whole(simulator, stamp) and (stamp, step.action.tobytes()) in self._commands

    def _whole(self, simulator: bytes, stamp: int) -> bool:
        return all((part, simulator, stamp) in self._sensed for part in PARTS)

    def _ended(self, episode: int, simulator: bytes, stamp: int) -> bool:
        reason = self._reasons.get(episode)
        felt = reason != ExitReason.COLLISION or (topics.COLLISION, simulator, stamp) in self._sensed
        return reason is not None and felt
