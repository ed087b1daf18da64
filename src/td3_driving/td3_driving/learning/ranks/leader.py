# SPDX-License-Identifier: Apache-2.0
"""Rank 0: gives the other ranks their orders and keeps what a checkpoint needs of them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from torch import Tensor, distributed

from td3_driving.learning import agent_state
from td3_driving.learning.agent import LearningAgent
from td3_driving.learning.checkpoint import CheckpointError
from td3_driving.learning.ranks.divided_memory import DividedMemory, Share
from td3_driving.learning.ranks.links import RankLink
from td3_driving.learning.ranks.messages import RankMessage, pack, unpack
from td3_driving.learning.ranks.sharing import RankLost, Ranks
from td3_driving.learning.replay import ReplayMemory
from td3_driving.runs.refusals import in_words

END_PATIENCE = 15.0
"""Wall time within which a process that this one has started must end by itself [s]."""


@dataclass(frozen=True)
class Member:
    """Another rank.

    Attributes:
        place: ``process 123 on host``.
        process: of a rank that this one has started.
    """

    rank: int
    place: str
    link: RankLink
    process: subprocess.Popen[bytes] | None = None


class Leader(Ranks):
    """Rank 0.

    Args:
        members: the other ranks, which have begun.
        actors: how many the run has.

    Attributes:
        broken: a rank is lost.
    """

    def __init__(self, members: Sequence[Member], here: int, actors: int) -> None:
        super().__init__(0, 1 + len(members), here)
        self.members = tuple(members)
        self.places = tuple(_name(member, self.size) for member in members)
        self.broken = False
        self._actors = actors
        self._own: ReplayMemory | None = None
        self._whole: DividedMemory | None = None

    def divide(self, memory: ReplayMemory) -> DividedMemory:
        shares = [Share(**self._answer(member).facts) for member in self.members]
        self._own, self._whole = memory, DividedMemory(memory, shares, self, self._actors)
        return self._whole

    def ask(self, rank: int, order: RankMessage) -> RankMessage:
        """Give an order and wait for the answer.

        Raises:
            RankLost: there is none.
        """
        member = self.members[rank - 1]
        self._send(member, order)
        return self._answer(member)

    def start_update(self, scale: float) -> None:
        assert self._own is not None and self._whole is not None
        total = self._whole.sampleable
        self.share = self._own.sampleable / total
        for member in self.members:
            self._send(member, RankMessage("update", {"scale": scale, "sampleable": total}))

    def states(self, agent: LearningAgent) -> tuple[list[dict[str, Any]], dict[str, Tensor]]:
        """See :meth:`Alone.states`.

        Raises:
            RankLost: also where a rank holds other weights than this one.
        """
        mine = agent_state.digest(agent)
        states, tensors = [], {}
        for member in self.members:
            answer = self.ask(member.rank, RankMessage("state"))
            if answer.facts.pop("weights") != mine:
                raise self._over(member, f"after update {agent.updates:,} it holds other weights than rank 0")
            states.append(answer.facts)
            tensors[_generator(member.rank)] = answer.tensors[agent_state.GENERATOR]
        return states, tensors

    def restore(self, agent: LearningAgent, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """See :meth:`Alone.restore`.

        Raises:
            CheckpointError: a rank does not hold the steps that it held when the checkpoint was written.
        """
        assert self._whole is not None
        kept = state.get("ranks", [])
        if state and len(kept) != len(self.members):
            raise CheckpointError(f"the checkpoint is one of {1 + len(kept)} learners, the run has {self.size}")
        weights = agent_state.collect(agent)
        counts = {"updates": agent.updates, "policy_updates": agent.policy_updates}
        for member in self.members:
            facts, sent = dict(counts), dict(weights)
            del sent[agent_state.GENERATOR]
            if state:
                facts |= kept[member.rank - 1]
                sent[agent_state.GENERATOR] = tensors[_generator(member.rank)]
                self._require_steps(member, facts["inserted"])
            self.ask(member.rank, RankMessage("restore", facts, sent))

    def check(self) -> None:
        for member in self.members:
            try:
                while member.link.speaks():
                    if data := member.link.next(0.0):
                        raise self._over(member, _complaint(data) or "it has ended")
            except OSError as error:
                raise self._over(member, in_words(error)) from error

    def close(self) -> None:
        for member in self.members:
            with suppress(OSError):
                if not self.broken:
                    member.link.send(pack(RankMessage("end")))
        for member in self.members:
            if member.process is not None and not self.broken:
                _await(member.process)
            member.link.close()
        for member in self.members:
            if member.process is not None:
                member.process.kill()
                member.process.wait()
        if distributed.is_initialized():
            distributed.destroy_process_group()

    def _require_steps(self, member: Member, kept: int) -> None:
        assert self._whole is not None
        if (held := self._whole.newest_of(member.rank)) < kept:
            raise CheckpointError(
                f"{_name(member, self.size)} holds no step after step {held}, and it held step {kept} when the"
                f" checkpoint was written: start it where its folder of the run is"
            )

    def _send(self, member: Member, order: RankMessage) -> None:
        try:
            member.link.send(pack(order))
        except OSError as error:
            raise self._over(member, in_words(error)) from error

    def _answer(self, member: Member) -> RankMessage:
        try:
            data = member.link.receive()
        except OSError as error:
            raise self._over(member, in_words(error)) from error
        answer = unpack(data)
        if answer.name == "failed":
            raise self._over(member, answer.facts["why"])
        return answer

    def _lost(self, error: Exception) -> RankLost:
        """The rank that says nothing any more, or says that it failed itself."""
        for member in self.members:
            try:
                complaint = _complaint(member.link.word())
            except OSError as silence:
                return self._over(member, in_words(silence))
            if complaint:
                return self._over(member, complaint)
        self.broken = True
        return RankLost(f"the {self.size} learners lost touch with each other: {str(error).splitlines()[0]}")

    def _over(self, member: Member, why: str) -> RankLost:
        self.broken = True
        return RankLost(f"{_name(member, self.size)} is lost: {why}; the run ends here, and --resume goes on with it")


def _name(member: Member, size: int) -> str:
    return f"rank {member.rank} of {size} ({member.place})"


def _generator(rank: int) -> str:
    return f"rank_{rank}.{agent_state.GENERATOR}"


def _complaint(data: bytes) -> str:
    """Why a rank failed by itself; "" for a sign of life, or where it failed because another did."""
    message = unpack(data) if data else RankMessage("")
    return str(message.facts["why"]) if message.name == "failed" and not message.facts["others"] else ""


def _await(process: subprocess.Popen[bytes]) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_PATIENCE)
