# SPDX-License-Identifier: Apache-2.0
"""What ``td3-driving carla-server`` refuses at its start, before a client waits for it."""

from __future__ import annotations

import socket

import pytest

from td3_driving.carla_server.cli import main


@pytest.mark.parametrize("maps", [["/path/to/Town01.xodr"], ["straight", "/path/to/Town01.xodr"]])
def test_a_map_that_is_not_there_is_told_whichever_it_is(maps: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for name in maps for word in ("--map", name)]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        # Where the map were not looked at, the taken port would end the command.
        assert main([*words, "--port", str(taken.getsockname()[1])]) == 2
    assert capsys.readouterr().err == "error: map '/path/to/Town01.xodr' does not exist\n"


def test_an_unknown_name_is_told_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--map", "twon"]) == 2
    known = "there are straight, curves, town, roundabout, drawn:SEED, and OpenDRIVE files by their path"
    assert capsys.readouterr().err == f"error: map 'twon' does not exist; {known}\n"


def test_a_taken_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--map", "straight", "--port", str(port)]) == 2
    wanted = f"error: port {port} or {port + 1} of 127.0.0.1 is taken; --port names another\n"
    assert capsys.readouterr().err == wanted
