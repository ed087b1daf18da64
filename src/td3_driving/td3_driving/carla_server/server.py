# SPDX-License-Identifier: Apache-2.0
"""Listens for clients and serves the world to them."""

from __future__ import annotations

import asyncio
import logging

# The calls enter themselves into the table.
from td3_driving.carla_server import batch, calls_actors, calls_misc, calls_session, calls_vehicles
from td3_driving.carla_server.rpc import Connection
from td3_driving.carla_server.senses import Senses
from td3_driving.carla_server.simulation import Simulation
from td3_driving.carla_server.streams import Listener
from td3_driving.carla_server.town import Towns

log = logging.getLogger(__name__)
CALLS = (batch, calls_actors, calls_misc, calls_session, calls_vehicles)
"""The modules with the table of calls."""


class Server:
    """A server that is listening.

    Attributes:
        port: of the calls; the streams are on the next one where that was free.
    """

    def __init__(self, simulation: Simulation, calls: asyncio.Server, streams: asyncio.Server) -> None:
        self.simulation = simulation
        self._calls, self._streams = calls, streams
        self.port: int = calls.sockets[0].getsockname()[1]
        self.connections: set[Connection] = set()

    @classmethod
    async def start(cls, towns: Towns, first: str, host: str, port: int) -> Server:
        """Begin to listen; port 0 takes two free ports.

        Raises:
            OSError: a port is taken.
            MapError: the first map cannot be used.
        """
        simulation = Simulation(towns, towns.load(first).made(), Senses())
        connections: set[Connection] = set()
        loop = asyncio.get_running_loop()
        calls = await loop.create_server(lambda: Connection(simulation, connections), host, port)
        try:
            beside = port + 1 if port else 0
            streams = await loop.create_server(lambda: Listener(simulation.streams), host, beside)
        except OSError:
            calls.close()
            raise
        simulation.streams.port = streams.sockets[0].getsockname()[1]
        server = cls(simulation, calls, streams)
        server.connections = connections
        simulation.start()
        return server

    async def close(self) -> None:
        """End all connections."""
        for connection in list(self.connections):
            connection.close()
        self.simulation.close()
        for part in (self._calls, self._streams):
            part.close()
