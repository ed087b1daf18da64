# SPDX-License-Identifier: Apache-2.0
"""ROS domains of tests: each of them its own, also when several tests run at once."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count

from td3_driving.processes.domain import DOMAINS, DomainTaken, claim_domain

FIRST = 10
"""The domains below are left to people, whose runs take the first one that is free."""

_turns = count()


@contextmanager
def reserved_domain() -> Iterator[int]:
    """A ROS domain that no run and no other test on this machine uses for as long as it is reserved.

    Each test of a process gets another one: what a killed process of the test before left in shared memory bears the
    number of its domain.

    The domain itself is not claimed, so that a run may claim it.

    Raises:
        RuntimeError: none is free.
    """
    domains = DOMAINS[FIRST:]
    first = os.getpid() + next(_turns)
    for place in range(len(domains)):
        number = domains[(first + place) % len(domains)]
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as reservation:
            if _reserve(reservation, number) and _unclaimed(number):
                yield number
                return
    raise RuntimeError("no free ROS domain on this machine")


def _reserve(reservation: socket.socket, number: int) -> bool:
    """Whether no other test has it. An abstract socket ends with its process, so nothing stale is left."""
    try:
        reservation.bind(f"\0td3_driving/test_domain/{number}")
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True


def _unclaimed(number: int) -> bool:
    with suppress(DomainTaken), claim_domain(number):
        return True
    return False
