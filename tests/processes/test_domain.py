# SPDX-License-Identifier: Apache-2.0
"""Runs on one machine keep apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from td3_driving.processes.domain import DomainTaken, claim_domain, discovery, onlooker, wanted_domain


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
