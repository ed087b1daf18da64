# SPDX-License-Identifier: Apache-2.0
"""A server in a process of its own that says what its world is like: each line of standard input is an expression over
``simulation``, answered as a line of JSON."""

from __future__ import annotations

import asyncio
import json
import math
import sys

from td3_driving.carla_server.server import Server
from td3_driving.carla_server.town import Towns, short


async def main() -> None:
    """Serve the maps that are named, until standard input ends."""
    server = await Server.start(Towns(sys.argv[1:]), short(sys.argv[1]), "127.0.0.1", 0)
    print(json.dumps(server.port), flush=True)
    scope = {"simulation": server.simulation, "server": server, "math": math}
    while line := await asyncio.to_thread(sys.stdin.readline):
        scope["episode"] = server.simulation.episode
        print(json.dumps(eval(line, scope)), flush=True)  # noqa: S307
    await server.close()


if __name__ == "__main__":
    asyncio.run(main())
