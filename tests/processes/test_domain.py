# SPDX-License-Identifier: Apache-2.0
"""Runs on one machine keep apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from td3_driving.processes.domain import (
    DomainTaken,
    claim_domain,
    discovery,
    lack_of_room,
    onlooker,
    room_for_images,
    wanted_domain,
)


def test_two_runs_get_two_domains() -> None:
    with claim_domain() as first, claim_domain() as second:
        assert first.number != second.number


def test_domain_that_is_taken_is_refused_and_free_again_afterwards(domain_id: int) -> None:
    with claim_domain(domain_id), pytest.raises(DomainTaken, match=f"ROS_DOMAIN_ID {domain_id} is taken"):
        claim_domain(domain_id)
    with claim_domain(domain_id) as again:
        assert again.number == domain_id


@pytest.mark.parametrize("value", ["-1", "x", "1.5", "²"])
def test_domain_that_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(DomainTaken, match="not a number"):
        wanted_domain({"ROS_DOMAIN_ID": value})


def test_domain_out_of_range_is_refused() -> None:
    with pytest.raises(DomainTaken, match=r"233 is outside 0 \.\. 232"):
        claim_domain(233)


def test_unset_domain_means_any() -> None:
    assert wanted_domain({}) is None
    assert wanted_domain({"ROS_DOMAIN_ID": ""}) is None
    assert wanted_domain({"ROS_DOMAIN_ID": "42"}) == 42


def test_discovery_stays_on_the_machine_unless_asked_otherwise() -> None:
    assert discovery(3, {}) == {"ROS_DOMAIN_ID": "3", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    assert discovery(3, {"ROS_DISTRO": "humble"}) == {"ROS_DOMAIN_ID": "3", "ROS_LOCALHOST_ONLY": "1"}
    assert discovery(3, {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}) == {"ROS_DOMAIN_ID": "3"}


PROFILE = Path("onlooker.xml")


@pytest.mark.parametrize("local", [{"ROS_AUTOMATIC_DISCOVERY_RANGE": "localhost"}, {"ROS_LOCALHOST_ONLY": "1"}])
def test_onlooker_on_this_machine_gets_the_profile(local: dict[str, str]) -> None:
    assert onlooker(local, PROFILE) == {"FASTDDS_DEFAULT_PROFILES_FILE": "onlooker.xml"}
    assert onlooker({**local, "ROS_DISTRO": "jazzy"}, PROFILE) == {"FASTRTPS_DEFAULT_PROFILES_FILE": "onlooker.xml"}


@pytest.mark.parametrize("wide", [{}, {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}, {"ROS_LOCALHOST_ONLY": "0"}])
def test_onlooker_in_a_network_is_reached_from_other_machines(wide: dict[str, str]) -> None:
    assert onlooker(wide, PROFILE) == {"FASTDDS_BUILTIN_TRANSPORTS": "UDPv4"}


def test_dds_that_people_set_up_themselves_stays_as_it_is() -> None:
    own = {"ROS_LOCALHOST_ONLY": "1", "FASTRTPS_DEFAULT_PROFILES_FILE": "own.xml"}
    assert onlooker(own, PROFILE) == onlooker({"FASTDDS_BUILTIN_TRANSPORTS": "LARGE_DATA"}, PROFILE) == {}


@pytest.mark.parametrize(("distribution", "name"), [("", "FASTDDS"), ("kilted", "FASTDDS"), ("humble", "FASTRTPS")])
def test_large_images_get_room(distribution: str, name: str) -> None:
    profile = Path("config", "dds", "large_images.xml")
    environment = {"ROS_DISTRO": distribution, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    found = room_for_images(environment, profile, 4 * 1280 * 720, 2**30)
    assert found == {f"{name}_DEFAULT_PROFILES_FILE": str(profile)}
    assert room_for_images(environment, profile, 4 * 256 * 144, 2**30) == {}
    for chosen in ({"RMW_IMPLEMENTATION": "rmw_zenoh_cpp"}, {"FASTDDS_BUILTIN_TRANSPORTS": "UDPv4"}):
        assert room_for_images({**environment, **chosen}, profile, 4 * 1280 * 720, 2**30) == {}
    assert (
        room_for_images({**environment, "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp"}, profile, 4 * 1280 * 720, 2**30)
        == found
    )
    assert room_for_images(environment, profile, 4 * 1280 * 720, 64 * 2**20) == {}, "a container's default"
    apart = onlooker({**environment, **found}, Path("onlooker.xml"))
    assert apart == {f"{name}_DEFAULT_PROFILES_FILE": "onlooker.xml"}, "what observes keeps out of shared memory"


def test_too_little_shared_memory_for_large_images_is_told() -> None:
    said = lack_of_room({}, 4 * 1280 * 720, 64 * 2**20)
    assert said.startswith("images of 3.7 MB may get lost") and "64 MiB of /dev/shm are free, 512 MiB hold them" in said
    assert lack_of_room({}, 4 * 1280 * 720, 2**30) == ""
    assert lack_of_room({}, 4 * 256 * 144, 64 * 2**20) == ""
    assert lack_of_room({"FASTDDS_BUILTIN_TRANSPORTS": "UDPv4"}, 4 * 1280 * 720, 64 * 2**20) == ""
