# SPDX-License-Identifier: Apache-2.0
"""Seals of a run that is started more than once with the same token: those of one start do not hold in the next."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from td3_driving.trust.seal import Belief, Seal
from td3_driving.trust.token import Token

NEAR = 16
"""Starts before and after its own that a process tells from a stranger's seal."""


class Starts:
    """Makes and checks the seals of one process, by role.

    Args:
        token: of the run; ``None`` leaves messages unsigned and finds none genuine.
        follows: whether it goes over to a later start by the first message that is sealed in it. Who has the run
            folder knows the start; an actor on another machine lives through the next one.
        lasting: roles whose messages say themselves what they belong to; their seals hold in every start.
        number: the start to begin with, where it is later than that of the token.
        places: role -> full name of its topic, for those that each actor has for itself.

    Attributes:
        number: the start that is believed.
    """

    def __init__(
        self,
        token: Token | None,
        follows: bool = False,
        lasting: Collection[str] = (),
        number: int = 0,
        places: Mapping[str, str] | None = None,
    ) -> None:
        self._secret = None if token is None else token.secret
        self._follows, self._lasting, self._places = follows, frozenset(lasting), dict(places or {})
        self.number = number if token is None else max(token.start, number)
        self._seals: dict[tuple[str, int], Seal] = {}

    def seal(self, role: str) -> Seal:
        """The seal of ``role`` in the start that is believed."""
        return self._of(role, 0 if role in self._lasting else self.number)

    def judge(self, role: str, data: bytes) -> Belief:
        """What the seal of ``data`` says, see :meth:`Seal.judge`; goes over to a later start where it is to follow."""
        belief = self.seal(role).judge(data)
        if belief is not Belief.FALSE or self._secret is None or role in self._lasting:
            return belief
        own = self.number
        for later in range(own + 1, own + 1 + NEAR) if self._follows else ():
            if self._of(role, later).judge(data) is Belief.GENUINE:
                self.number = max(self.number, later)
                return Belief.GENUINE
        earlier = range(max(own - NEAR, 0), own)
        known = any(self._of(role, number).judge(data) is Belief.GENUINE for number in reversed(earlier))
        return Belief.EARLIER if known else Belief.FALSE

    def _of(self, role: str, number: int) -> Seal:
        if (role, number) not in self._seals:
            self._seals[role, number] = Seal(self._secret, role, number, self._places.get(role, ""))
        return self._seals[role, number]
