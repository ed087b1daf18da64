# SPDX-License-Identifier: Apache-2.0
"""A rank from 1 on: it stores its share of the experience and takes part in every update, as rank 0 orders.

``torchrun`` starts it through :mod:`td3_driving.launching.learners`; rank 0 starts those of its own machine itself.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from td3_driving.learning import agent_state
from td3_driving.learning.agent import make_agent
from td3_driving.learning.process import prepare_process
from td3_driving.learning.ranks.divided_memory import kept_in, share_of, sizes_of
from td3_driving.learning.ranks.joining import RankPlace, enter_group, join
from td3_driving.learning.ranks.links import RankLink
from td3_driving.learning.ranks.messages import RankMessage, pack, to_experience, unpack
from td3_driving.learning.ranks.sharing import RankLost, Ranks
from td3_driving.learning.replay import ReplayMemory
from td3_driving.learning.updater import DirectUpdater
from td3_driving.settings import Settings, from_flat

FAULTS = (RankLost, OSError, ValueError, RuntimeError)
"""What ends a rank with a sentence."""


class Follower(Ranks):
    """One rank with its memory and its copy of the agent.

    Args:
        run_directory: folder of the run; the memory lies in a folder of its own there.
    """

    def __init__(self, place: RankPlace, settings: Settings, run_directory: Path, state_dim: int) -> None:
        """
        Raises:
            ReplayError: see :class:`ReplayMemory`.
        """
        super().__init__(place.rank, place.size, place.here)
        prepare_process(settings.learning.threads, place.here)
        self._settings = settings
        self._memory = ReplayMemory(settings, state_dim, kept_in(settings, run_directory, place.rank))
        self._agent = make_agent(settings, state_dim, settings.run.seed)
        self._agent.join(self)
        seeds = np.random.SeedSequence([settings.run.seed, place.rank])
        self._sampling = np.random.default_rng(seeds)
        self._agent.networks.generator.manual_seed(int(seeds.generate_state(1)[0]))
        self._updater = DirectUpdater(settings, self._agent, self._memory, self._sampling, self)

    def obey(self, link: RankLink) -> None:
        """Carry out the orders that come, until the one to end.

        Raises:
            RankLost, OSError, ValueError, RuntimeError: an order cannot be carried out; rank 0 has been told.
        """
        orders: dict[str, Callable[[RankMessage], RankMessage | None]] = {
            "append": self._append,
            "rewind": self._rewind,
            "show": self._show,
            "names": self._names,
            "update": self._update,
            "state": self._state,
            "restore": self._restore,
        }
        link.send(pack(RankMessage("begun", asdict(share_of(self._memory)))))
        while (order := unpack(link.receive())).name != "end":
            answer = orders[order.name](order)
            if answer is not None:
                link.send(pack(answer))

    def _append(self, order: RankMessage) -> RankMessage:
        self._memory.append(to_experience(order), order.facts["linked"], order.facts["number"])
        return self._sizes()

    def _rewind(self, order: RankMessage) -> RankMessage:
        self._memory.rewind(order.facts["inserted"])
        return self._sizes()

    def _show(self, order: RankMessage) -> RankMessage:
        steps = [list(step) for step in self._memory.show(order.facts["inserted"])]
        return RankMessage("shown", {"steps": steps} | self._sizes().facts)

    def _names(self, _: RankMessage) -> RankMessage:
        self._memory.write_names()
        return self._sizes()

    def _update(self, order: RankMessage) -> None:
        self.share = self._memory.sampleable / order.facts["sampleable"]
        self._updater.update(order.facts["scale"])

    def _state(self, _: RankMessage) -> RankMessage:
        facts = {
            "sampling": self._sampling.bit_generator.state,
            "inserted": self._memory.inserted,
            "weights": agent_state.digest(self._agent),
        }
        return RankMessage("state", facts, {agent_state.GENERATOR: self._agent.networks.generator.get_state()})

    def _restore(self, order: RankMessage) -> RankMessage:
        agent, facts = self._agent, order.facts
        own = {agent_state.GENERATOR: agent.networks.generator.get_state()}
        agent_state.restore(agent, own | dict(order.tensors))
        agent.updates, agent.policy_updates = facts["updates"], facts["policy_updates"]
        if "sampling" in facts:
            self._sampling.bit_generator.state = facts["sampling"]
        return self._sizes()

    def _sizes(self) -> RankMessage:
        return RankMessage("done", {"sizes": sizes_of(self._memory)})


def follow(place: RankPlace) -> None:
    """Be rank ``place.rank`` until rank 0 lets it end.

    Raises:
        RankLost, OSError, ValueError, RuntimeError: see :meth:`Follower.obey`.
    """
    link, store = join(place)
    # Who stops the run stops rank 0, and that one saves the run before it lets the others end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    link.start_beating()
    try:
        begin = unpack(link.receive())
        settings = from_flat(begin.facts["settings"])
        enter_group(place, settings, store)
        Follower(place, settings, Path(begin.facts["run_directory"]), begin.facts["state_dim"]).obey(link)
    except FAULTS as error:
        others = isinstance(error, (RankLost, ConnectionError))
        _tell(link, RankMessage("failed", {"why": str(error) or type(error).__name__, "others": others}))
        raise
    finally:
        link.close()
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _tell(link: RankLink, message: RankMessage) -> None:
    try:
        link.send(pack(message))
    except OSError:
        return


def main() -> int:
    """Entry point; the place of the rank is in the environment, as ``torchrun`` sets it.

    Returns:
        0 when rank 0 let it end, 1 where a rank failed.
    """
    place = RankPlace.of_environment()
    try:
        follow(place)
    except FAULTS as error:
        print(f"error: rank {place.rank} of {place.size}: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
