# SPDX-License-Identifier: Apache-2.0
"""A server in a process of its own that says what its world is like: each line of standard input is an expression over
``simulation``, answered as a line of JSON."""

from __future__ import annotations

import asyncio
import json
import math
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

from td3_driving.carla_server import batch, rpc
from td3_driving.carla_server.server import Server
from td3_driving.carla_server.town import Towns, short

SERVED: Counter[str] = Counter()
"""How often each call, and each kind of command in a batch, was carried out."""


def counted(name: str, run: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, counted."""

    def both(*arguments: Any) -> Any:
        SERVED[name] += 1
        return run(*arguments)

    return both


def count() -> None:
    """Count everything from here on."""
    for name, method in rpc.TABLE.items():
        rpc.TABLE[name] = method._replace(run=counted(name, method.run))
    for number, order in batch.ORDERS.items():
        batch.ORDERS[number] = order._replace(run=counted(order.name, order.run))
    batch._spawned = counted("SpawnActor", batch._spawned)


async def main() -> None:
    """Serve the maps that are named, until standard input ends."""
    count()
    server = await Server.start(Towns(sys.argv[1:]), short(sys.argv[1]), "127.0.0.1", 0)
    print(json.dumps(server.port), flush=True)
    scope = {"simulation": server.simulation, "server": server, "math": math, "served": SERVED}
    while line := await asyncio.to_thread(sys.stdin.readline):
        scope["episode"] = server.simulation.episode
        print(json.dumps(eval(line, scope)), flush=True)  # noqa: S307
    await server.close()


if __name__ == "__main__":
    asyncio.run(main())
