# SPDX-License-Identifier: Apache-2.0
"""What a learner shares with the other ranks of its run: gradients and series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, distributed

if TYPE_CHECKING:
    from td3_driving.learning.agent import LearningAgent
    from td3_driving.learning.ranks.divided_memory import StepMemory
    from td3_driving.learning.replay import ReplayMemory

LEAST, GREATEST = "_min", "_max"
"""Ends of the tags whose series is the least, or the greatest, value over all ranks."""


class RankLost(RuntimeError):
    """A rank takes no part any more, so no update can be done; the message names it."""


class Alone:
    """The one learner of a run: it shares nothing.

    Attributes:
        rank, size: number of this rank, and of how many.
        here: ranks on this machine.
        places: of the other ranks, as rank 0 knows them, in words.
    """

    places: tuple[str, ...] = ()

    def __init__(self, rank: int = 0, size: int = 1, here: int = 1) -> None:
        self.rank, self.size, self.here = rank, size, here

    def average(self, gradients: Sequence[Tensor]) -> None:
        """Replace ``gradients`` by their mean over all ranks.

        Raises:
            RankLost: a rank did not take part in time.
        """

    def over_all(self, report: dict[str, Tensor]) -> dict[str, Tensor]:
        """The series of one update over all ranks.

        Raises:
            RankLost: see :meth:`average`.
        """
        return report

    def divide(self, memory: ReplayMemory) -> StepMemory:
        """The memory of all ranks, of which ``memory`` is this one's share."""
        return memory

    def start_update(self, scale: float) -> None:
        """Let the other ranks begin the update that this one is about to do; ``scale`` divides the rewards."""

    def states(self, agent: LearningAgent) -> tuple[list[dict[str, Any]], dict[str, Tensor]]:
        """What a checkpoint keeps of the other ranks: plain data of each, and tensors by name."""
        return [], {}

    def restore(self, agent: LearningAgent, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Bring the other ranks to the state of ``agent``, and to what :meth:`states` kept of them."""

    def check(self) -> None:
        """Look whether all ranks are there.

        Raises:
            RankLost: one is not.
        """

    def close(self) -> None:
        """Let the other ranks end."""


ALONE = Alone()


class Ranks(Alone):
    """One of several ranks in the process group of ``torch.distributed``.

    Attributes:
        share: part of this rank in a mean: of the transitions that all ranks can sample, those that it can. So every
            stored transition counts the same, wherever it lies, and a rank without any counts nothing.
    """

    def __init__(self, rank: int, size: int, here: int) -> None:
        super().__init__(rank, size, here)
        self.share = 1.0 / size

    def average(self, gradients: Sequence[Tensor]) -> None:
        if not gradients:
            return
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients]).mul_(self.share)
        self._reduce(flat)
        pieces = flat.split([gradient.numel() for gradient in gradients])
        torch._foreach_copy_(list(gradients), [piece.view_as(one) for piece, one in zip(pieces, gradients)])

    def over_all(self, report: dict[str, Tensor]) -> dict[str, Tensor]:
        values = torch.stack([value.detach().float().reshape(()) for value in report.values()])
        means = values * self.share
        self._reduce(means)
        signs = [_sign(tag) for tag in report]
        if not any(signs):
            return dict(zip(report, means))
        # One search serves both kinds: the greatest value is minus the least of the negative ones.
        factors = values.new_tensor(signs)
        bounds = values * factors if self.share else torch.full_like(values, torch.inf)
        self._reduce(bounds, distributed.ReduceOp.MIN)
        return dict(zip(report, torch.where(factors == 0.0, means, bounds * factors)))

    def _reduce(self, tensor: Tensor, how: Any = distributed.ReduceOp.SUM) -> None:
        try:
            distributed.all_reduce(tensor, how)
        except RuntimeError as error:
            raise self._lost(error) from error

    def _lost(self, error: Exception) -> RankLost:
        """Whom the error means."""
        return RankLost(f"rank 0 of {self.size} takes no part any more: {_first_line(error)}")


def _sign(tag: str) -> float:
    return 1.0 if tag.endswith(LEAST) else -1.0 if tag.endswith(GREATEST) else 0.0


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
