# SPDX-License-Identifier: Apache-2.0
"""What a policy answered and decided: commands, rewards, ends of episodes."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from td3_driving.bags.timeline import WINDOW

MOST = 5 * WINDOW
"""Of each what is kept: those of the frames that still wait, and of as many that come late."""
EpisodeName = tuple[str, int, int]
"""Actor, session, episode."""
StepName = tuple[str, int, int, int]
"""Actor, session, episode, step within it."""


class Answers:
    """Keeps commands, rewards and ends until their frame is driven."""

    def __init__(self) -> None:
        self._commands: OrderedDict[int, list[NDArray[np.float32]]] = OrderedDict()
        self._rewards: OrderedDict[StepName, tuple[int, NDArray[np.float32]]] = OrderedDict()
        self._ends: OrderedDict[EpisodeName, tuple[int, int]] = OrderedDict()

    def add_command(self, stamp: int, action: NDArray[np.float32]) -> None:
        """Take the action (2,) behind the command for the frame at ``stamp`` [ns]."""
        self._commands.setdefault(stamp, []).append(action)
        self._commands.move_to_end(stamp)
        if len(self._commands) > MOST:
            self._commands.popitem(last=False)

    def add_reward(self, step: StepName, end: int, action: NDArray[np.float32]) -> None:
        """Take what the reward of ``step`` says: its ``action`` (2,), and the stamp of its last frame [ns]."""
        self._rewards[step] = end, action
        if len(self._rewards) > MOST:
            self._rewards.popitem(last=False)

    def add_end(self, episode: EpisodeName, length: int, reason: int) -> None:
        """Take that ``episode`` ended after ``length`` steps, and why."""
        self._ends[episode] = length, reason
        if len(self._ends) > MOST:
            self._ends.popitem(last=False)

    def end(self, episode: EpisodeName) -> tuple[int, int] | None:
        """Steps of ``episode``, and why it ended; ``None`` where nothing tells of it."""
        return self._ends.get(episode)

    def take(self, step: StepName, stamp: int) -> tuple[NDArray[np.float32], int] | None:
        """The action (2,) of ``step``, which begins with the frame at ``stamp`` [ns], and the stamp of its last frame.

        ``None`` unless there are both its reward and its command. Frames of two simulators may have one stamp, and so
        two commands have it: the one that was meant has the action that the reward names.
        """
        end, action = self._rewards.pop(step, (0, None))
        if action is None:
            return None
        sent = self._commands.get(stamp, [])
        found = next((index for index, one in enumerate(sent) if np.array_equal(one, action)), None)
        return None if found is None else (sent.pop(found), end)
