# SPDX-License-Identifier: Apache-2.0
"""Chooses the ROS domain of a run: visible on this machine only, and to no other run on it.

A claimed domain is an abstract Unix socket of that number. It belongs to the network namespace, as DDS discovery does,
and disappears with the process, so there is no stale lock to clean up.
"""

from __future__ import annotations

import errno
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

DOMAINS = range(102)
"""Domain ids whose ports stay below the range that Linux hands out to clients."""


DDS_SETTINGS = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_BUILTIN_TRANSPORTS")
"""Environment variables that configure Fast DDS; the second is the name before Fast DDS 3."""
OWN_PROFILE = "large_images.xml"
"""File that :func:`room_for_images` names; what observes may still have settings of its own."""
FAST_DDS = "rmw_fastrtps"
LARGE_IMAGE = 250_000
"""Larger images [bytes] need more shared memory: the 512 KiB that Fast DDS takes by default do not hold two."""
LEAST_FREE = 8 * 64 * 2**20
"""What the processes of a run may take with that profile [bytes]."""
FAST_DDS_2 = ("humble", "jazzy")
"""ROS distributions with Fast DDS 2."""


class DomainTaken(ValueError):
    """No domain is free, or the one asked for is not."""


class Domain:
    """A claimed ROS domain id; free again when closed or when the process ends."""

    def __init__(self, number: int, claim: socket.socket) -> None:
        self.number = number
        self._claim = claim

    def __enter__(self) -> Domain:
        return self

    def __exit__(self, *_: object) -> None:
        self._claim.close()


def claim_domain(wanted: int | None = None) -> Domain:
    """Claim domain ``wanted``, or the first free one.

    Raises:
        DomainTaken: it belongs to another run on this machine, or is out of range.
    """
    if wanted is not None:
        check_domain(wanted)
    for number in DOMAINS if wanted is None else (wanted,):
        claim = _claim(number)
        if claim is not None:
            return Domain(number, claim)
    if wanted is not None:
        raise DomainTaken(f"ROS_DOMAIN_ID {wanted} is taken by another run on this machine; unset it to get a free one")
    raise DomainTaken(f"all {len(DOMAINS)} ROS domains are taken by runs on this machine")


def check_domain(wanted: int) -> None:
    """Refuse a domain id that no middleware takes.

    Raises:
        DomainTaken: it is out of range.
    """
    if not 0 <= wanted <= 232:
        raise DomainTaken(f"ROS_DOMAIN_ID {wanted} is outside 0 .. 232")


def wanted_domain(environment: Mapping[str, str]) -> int | None:
    """The domain id that ``ROS_DOMAIN_ID`` asks for; None when it is not set.

    Raises:
        DomainTaken: it is not a number.
    """
    value = environment.get("ROS_DOMAIN_ID", "")
    if not value:
        return None
    if not value.isdecimal():
        raise DomainTaken(f"ROS_DOMAIN_ID {value!r} is not a number within 0 .. 232")
    return int(value)


def discovery(domain: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Environment variables that keep discovery on this machine unless the user chose a range."""
    chosen = {"ROS_DOMAIN_ID": str(domain)}
    if "ROS_AUTOMATIC_DISCOVERY_RANGE" in environment or "ROS_LOCALHOST_ONLY" in environment:
        return chosen
    if environment.get("ROS_DISTRO") == "humble":
        return {**chosen, "ROS_LOCALHOST_ONLY": "1"}
    return {**chosen, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


def onlooker(environment: Mapping[str, str], profile: Path) -> dict[str, str]:
    """Return environment variables for an observing process, so that no publisher waits for it even if it is frozen.

    Fast DDS hands messages to processes on the same machine through shared memory of the sender's. A process that
    stands still never frees its part; large messages to the others then find no room and never arrive. A process that
    receives everything over UDP has no part in it.

    Args:
        environment: of the process; where Fast DDS is set up already, nothing is changed.
        profile: ``config/dds/onlooker.xml``, for discovery within this machine: there, ROS adds shared memory itself.
    """
    if any(Path(environment.get(name, OWN_PROFILE)).name != OWN_PROFILE for name in DDS_SETTINGS):
        return {}
    local = environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "").upper() == "LOCALHOST"
    if local or environment.get("ROS_LOCALHOST_ONLY") == "1":
        return {DDS_SETTINGS[environment.get("ROS_DISTRO") in FAST_DDS_2]: str(profile)}
    return {DDS_SETTINGS[2]: "UDPv4"}


def room_for_images(environment: Mapping[str, str], profile: Path, image_bytes: int, free: int) -> dict[str, str]:
    """Return environment variables with which images of ``image_bytes`` reach the processes of one machine whole.

    Args:
        environment: of the run; where Fast DDS is set up already, or is not the middleware, nothing is changed.
        profile: ``config/dds/large_images.xml``.
        free: shared memory that is free on this machine [bytes]; where it is scarce, as in many containers, nothing is
            changed.
    """
    if free < LEAST_FREE:
        return {}
    others = environment.get("RMW_IMPLEMENTATION") or FAST_DDS
    if image_bytes <= LARGE_IMAGE or FAST_DDS not in others or any(name in environment for name in DDS_SETTINGS):
        return {}
    return {DDS_SETTINGS[environment.get("ROS_DISTRO") in FAST_DDS_2]: str(profile)}


def lack_of_room(environment: Mapping[str, str], image_bytes: int, free: int) -> str:
    """Return in one sentence that large images may get lost for want of shared memory; "" where they do not.

    Args:
        environment, image_bytes, free: as for :func:`room_for_images`.
    """
    if free >= LEAST_FREE or image_bytes <= LARGE_IMAGE or any(name in environment for name in DDS_SETTINGS):
        return ""
    return (
        f"images of {image_bytes / 1e6:.1f} MB may get lost, and their episodes are cut then: {free / 2**20:.0f} MiB of"
        f" /dev/shm are free, {LEAST_FREE / 2**20:.0f} MiB hold them (docker run --shm-size)"
    )


def free_shared_memory() -> int:
    """Return the shared memory that is free on this machine [bytes]."""
    try:
        return shutil.disk_usage("/dev/shm").free
    except OSError:
        return 0


def _claim(number: int) -> socket.socket | None:
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0td3_driving/ros_domain/{number}")
    except OSError as error:
        claim.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    return claim
