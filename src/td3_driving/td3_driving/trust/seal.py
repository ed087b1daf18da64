# SPDX-License-Identifier: Apache-2.0
"""The seal of a message: a keyed hash over its serialised bytes, which are the last thing that a sender touches.

A sealed message ends with its MAC, four 32-bit words. They follow whatever alignment, so a serialisation in CDR (OMG
DDS-XTYPES 1.3, section 7.4) puts them at the end and adds no padding behind them. The MAC is keyed BLAKE2b (RFC 7693)
of all bytes before it, 16 bytes long. What the message is about, from actor and session to the last pixel, is in those
bytes; the role of its topic goes into the hash beside them, so that no message passes for one of another topic, the
number of the start as its salt, so that none passes for one of a later start of the run, and before all bytes the name
of a topic that each actor has for itself, so that none passes for one of another actor's world.
"""

from __future__ import annotations

import enum
import hashlib
import hmac

MAC_LENGTH = 16
UNSIGNED = bytes(MAC_LENGTH)
SALT_LENGTH = 16


class Belief(enum.Enum):
    """What the seal of a message says."""

    GENUINE = "genuine"
    UNSIGNED = "unsigned"
    EARLIER = "earlier"
    FALSE = "false"


class Seal:
    """Seals and checks the messages of one role.

    Args:
        token: of the run; ``None`` leaves messages unsigned and finds none genuine.
        role: up to 16 ASCII letters.
        start: number of the start of the run; 0 for seals that hold in all of them.
        place: full name of the topic where each actor has one of its own, such as ``/actor_1/td3/frame``; else "".
    """

    def __init__(self, token: bytes | None, role: str, start: int = 0, place: str = "") -> None:
        person, salt = role.encode("ascii"), start.to_bytes(SALT_LENGTH, "little")
        self._keyed = (
            None if token is None else hashlib.blake2b(key=token, digest_size=MAC_LENGTH, person=person, salt=salt)
        )
        if self._keyed is not None and place:
            # A serialised message begins with a zero byte, which no name has: the two cannot run together.
            self._keyed.update(place.encode())

    def sealed(self, data: bytes) -> bytes:
        """``data`` of an unsigned message with its MAC.

        Raises:
            ValueError: ``data`` does not end with the place of a MAC.
        """
        if len(data) < MAC_LENGTH or len(data) % 4 or data[-MAC_LENGTH:] != UNSIGNED:
            raise ValueError(f"{len(data)} bytes do not end with an empty MAC")
        if self._keyed is None:
            return data
        body = data[:-MAC_LENGTH]
        return body + self._mac(body)

    def judge(self, data: bytes) -> Belief:
        """What the seal of ``data`` says; never raises for what it contains, and takes the same time for any MAC."""
        if len(data) < MAC_LENGTH:
            return Belief.FALSE
        body, mac = memoryview(data)[:-MAC_LENGTH], data[-MAC_LENGTH:]
        if self._keyed is not None and hmac.compare_digest(self._mac(body), mac):
            return Belief.GENUINE
        return Belief.UNSIGNED if mac == UNSIGNED else Belief.FALSE

    def _mac(self, body: bytes | memoryview) -> bytes:
        assert self._keyed is not None
        # A copy has the key's block behind it already.
        keyed = self._keyed.copy()
        keyed.update(body)
        return keyed.digest()
