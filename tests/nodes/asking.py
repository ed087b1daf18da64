# SPDX-License-Identifier: Apache-2.0
"""Calls of services whose answer may be lost.

``service_is_ready`` tells that requests arrive. Whether the answer does is not known here: a service that has not yet
found the client's reader answers into the void.
"""

from __future__ import annotations

import math
import time
from typing import Any

AGAIN = 30.0
"""Wall time after which a question is asked again [s]: longer than a busy machine takes for an answer."""


class Question:
    """A question to a service, asked again while no answer comes.

    Args:
        client: of the service.
        once: for questions that must not be asked twice, because the second one is refused.
    """

    def __init__(self, client: Any, request: Any, once: bool = False) -> None:
        self._client, self._request = client, request
        self._patience = math.inf if once else AGAIN
        self._asked: list[Any] = []
        self._due = 0.0

    def answered(self) -> bool:
        """Whether an answer is here; asks when it is time for it, and the service is there."""
        if time.monotonic() >= self._due and self._client.service_is_ready():
            self._asked.append(self._client.call_async(self._request))
            self._due = time.monotonic() + self._patience
        return any(future.done() for future in self._asked)

    @property
    def answer(self) -> Any:
        """The first answer."""
        return next(future.result() for future in self._asked if future.done())
