# SPDX-License-Identifier: Apache-2.0
"""Addresses of discovery servers, and what the processes of a run over several machines are started with."""

from __future__ import annotations

import os
import re
import socket
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.processes import discovery_server as module
from td3_driving.processes.discovery_server import (
    AddressError,
    ServerAddress,
    client_variables,
    parse_address,
    require_own,
    require_reachable_settings,
    server_command,
)
from td3_driving.runs.profiles import config_directory


@given(st.integers(0, 101))
def test_the_port_says_the_domain_and_the_domain_the_port(domain: int) -> None:
    address = ServerAddress("10.0.0.7", domain)
    assert str(address) == f"10.0.0.7:{11811 + domain}"
    assert parse_address(str(address), "--learner", {}) == ("10.0.0.7", domain)
    assert parse_address("10.0.0.7", "--learner", {"ROS_DOMAIN_ID": str(domain)}) == ("10.0.0.7", domain)


def test_neither_says_a_domain() -> None:
    assert parse_address("127.0.0.1", "--serve", {}) == ("127.0.0.1", None)


@pytest.mark.parametrize(
    ("text", "environment", "sentence"),
    [
        ("10.0.0.7:80", {}, "--serve 10.0.0.7:80: port '80' is outside 11811 .. 11912, one for each ROS domain"),
        ("10.0.0.7:", {}, "--serve 10.0.0.7:: port '' is outside 11811 .. 11912"),
        ("10.0.0.7:11913", {}, "port '11913' is outside"),
        ("10.0.0.7:11812", {"ROS_DOMAIN_ID": "3"}, "port 11812 is that of ROS domain 1, and ROS_DOMAIN_ID is 3; unset"),
        ("no host at all", {}, "host 'no host at all': "),
        (f"{'a' * 300}.example", {}, "no host has such a name"),
    ],
)
def test_addresses_that_are_none(text: str, environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_address(text, "--serve", environment)
    assert sentence in str(caught.value)


def test_a_server_listens_on_an_own_address_with_a_free_port() -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as other:
        other.bind(("127.0.0.1", 0))
        require_own(ServerAddress("127.0.0.1", other.getsockname()[1] - 11811 + 1), "--serve")
        taken = ServerAddress("127.0.0.1", other.getsockname()[1] - 11811)
        with pytest.raises(AddressError, match=r"Address already in use; name an address of this machine"):
            require_own(taken, "--serve")
    with pytest.raises(AddressError, match=r"--serve 192\.0\.2\.1:11811: Cannot assign requested address"):
        require_own(ServerAddress("192.0.2.1", 0), "--serve")


@pytest.mark.parametrize(
    "environment",
    [
        {"ROS_AUTOMATIC_DISCOVERY_RANGE": "localhost"},
        {"ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF"},
        {"ROS_LOCALHOST_ONLY": "1"},
        {"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"},
    ],
)
def test_settings_that_keep_machines_apart_are_refused(environment: dict[str, str]) -> None:
    with pytest.raises(AddressError, match="unset it"):
        require_reachable_settings(environment)


def test_settings_that_do_not_are_taken() -> None:
    require_reachable_settings({"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET", "ROS_LOCALHOST_ONLY": "0"})
    require_reachable_settings({"RMW_IMPLEMENTATION": "rmw_fastrtps_cpp"})


def test_clients_ask_the_server_alone_and_keep_what_the_user_set() -> None:
    variables = client_variables("10.0.0.7:11814", 3, {}, "/link.xml")
    assert variables == {
        "ROS_DISCOVERY_SERVER": "10.0.0.7:11814",
        "ROS_SUPER_CLIENT": "TRUE",
        "ROS_DOMAIN_ID": "3",
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET",
        "FASTDDS_DEFAULT_PROFILES_FILE": "/link.xml",
    }
    for own in ({"FASTDDS_DEFAULT_PROFILES_FILE": "/mine.xml"}, {"ROS_DISTRO": "jazzy"}):
        assert "FASTDDS_DEFAULT_PROFILES_FILE" not in client_variables("10.0.0.7:11814", 3, own, "/link.xml")


def test_processes_beside_the_server_ask_it_on_this_machine() -> None:
    assert ServerAddress("0.0.0.0", 2).local == "127.0.0.1:11813"
    assert ServerAddress("0.0.0.0", 2).remote == "THIS_MACHINE:11813"
    assert ServerAddress("10.0.0.7", 2).local == ServerAddress("10.0.0.7", 2).remote == "10.0.0.7:11813"


def test_without_the_program_there_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda _: None)
    with pytest.raises(AddressError, match=r"fast-discovery-server is not on this machine; it comes with Fast DDS"):
        server_command(ServerAddress("127.0.0.1", 0))


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("sleep 600", "fast-discovery-server does not say within 1 s how it is started; is it broken?"),
        (None, "fast-discovery-server cannot be run: "),
    ],
)
def test_a_program_that_does_not_answer_is_one_sentence(
    program: str | None, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for a program that hangs, and one that is there and no program."""
    stand_in = tmp_path / module.PROGRAM
    stand_in.write_text(f"#!/bin/sh\nexec {program}\n" if program else "#!/nowhere/at/all\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(module, "ANSWER", 1.0)
    with pytest.raises(AddressError, match=re.escape(sentence)):
        server_command(ServerAddress("127.0.0.1", 0))


def test_the_link_asks_ten_times_per_second() -> None:
    root = ElementTree.parse(config_directory() / "dds" / module.PROFILE).getroot()
    space = {"d": "http://www.eprosima.com"}
    period = root.find(".//d:data_writer[@is_default_profile='true']/d:times/d:heartbeat_period", space)
    assert period is not None
    assert [part.text for part in period] == ["0", "100000000"]
