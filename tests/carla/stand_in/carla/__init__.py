# SPDX-License-Identifier: Apache-2.0
"""Found in place of the package ``carla``: the real one, whose client leads to a scripted server.

The server answers as long as something listens on the port that ``FAKE_CARLA_PORT`` names.
"""

import importlib.util
import os
import sys
from pathlib import Path

OWN = Path(__file__).resolve()
_real = next(
    candidate
    for entry in sys.path
    if (candidate := Path(entry or ".").resolve() / "carla" / "__init__.py").is_file() and candidate != OWN
)
_spec = importlib.util.spec_from_file_location("carla", _real, submodule_search_locations=[str(_real.parent)])
_module = importlib.util.module_from_spec(_spec)
sys.modules["carla"] = _module
_spec.loader.exec_module(_module)

if "FAKE_CARLA_PORT" in os.environ:
    from td3_driving.carla.server import listening
    from tests.carla.fake_carla import TIME_OUT, Client, FakeServer

    class ServerBehindPort(FakeServer):
        """Dead while nothing listens."""

        def touch(self, name, argument=None):
            super().touch(name, argument)
            if not listening("127.0.0.1", int(os.environ["FAKE_CARLA_PORT"])):
                raise RuntimeError(TIME_OUT)

    _server = ServerBehindPort()
    _module.Client = lambda host, port: Client(_server)
    _module.command = _server.api.command
