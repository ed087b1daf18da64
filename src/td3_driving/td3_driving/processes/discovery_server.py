# SPDX-License-Identifier: Apache-2.0
"""The discovery server through which the machines of one run find each other: its address, and who uses it how.

Discovery by multicast ends at the next router, and no machine shall listen to a run unasked. So a run that is served
to other machines has a server of Fast DDS beside its learner, and every process of the run asks it alone. The port of
the server says the ROS domain, because both sides must agree on it: 11811 is that of domain 0, 11812 of domain 1.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from td3_driving.processes.domain import DDS_SETTINGS, DOMAINS, FAST_DDS, FAST_DDS_2, wanted_domain

FIRST_PORT = 11811
"""Port of Fast DDS for a discovery server; here that of domain 0."""
EVERYWHERE = "0.0.0.0"
"""The address of all network interfaces of a machine."""
PROGRAM = "fast-discovery-server"
AS_SERVER = "42"
"""Since Fast DDS 3.2 the program takes what it shall do as its first word, and this is: be a server."""
ANSWER = 60.0
"""Wall time within which the program says how it is started [s]."""
PROFILE = "link.xml"
"""File in ``config/dds`` with which messages that a link lost are sent again at once."""
LOCAL_RANGES = ("LOCALHOST", "OFF")


class AddressError(ValueError):
    """No server can be reached or opened there; one sentence says why."""


@dataclass(frozen=True)
class ServerAddress:
    """Where the discovery server of a run listens.

    Attributes:
        host: IPv4 address; :data:`EVERYWHERE` where the server listens on all of them.
        domain: ROS domain of the run.
    """

    host: str
    domain: int

    @property
    def port(self) -> int:
        """UDP port."""
        return FIRST_PORT + self.domain

    @property
    def local(self) -> str:
        """Host and port for processes on the machine of the server."""
        return f"{'127.0.0.1' if self.host == EVERYWHERE else self.host}:{self.port}"

    @property
    def remote(self) -> str:
        """The same for other machines."""
        return f"{'THIS_MACHINE' if self.host == EVERYWHERE else self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_address(text: str, option: str, environment: Mapping[str, str]) -> tuple[str, int | None]:
    """IPv4 address and ROS domain of ``HOST[:PORT]``; ``None`` where neither the port nor ``ROS_DOMAIN_ID`` says one.

    Args:
        option: that the user gave, for the sentence.

    Raises:
        AddressError: the host is not known, the port is none, or it is that of another domain than ``ROS_DOMAIN_ID``.
        DomainTaken: ``ROS_DOMAIN_ID`` is no number.
    """
    host, colon, port = text.partition(":")
    wanted = wanted_domain(environment)
    domain = _domain_of(port, f"{option} {text}") if colon else wanted
    if wanted is not None and domain != wanted:
        raise AddressError(
            f"{option} {text}: port {port} is that of ROS domain {domain}, and ROS_DOMAIN_ID is {wanted}; unset it, or"
            f" take port {FIRST_PORT + wanted}"
        )
    return _resolved(host, f"{option} {text}"), domain


def require_own(address: ServerAddress, option: str) -> None:
    """Check that a server can listen there.

    Raises:
        AddressError: the address belongs to another machine, or its port is in use.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind((address.host, address.port))
        except OSError as error:
            raise AddressError(
                f"{option} {address}: {error.strerror}; name an address of this machine, and a port that is free"
            ) from error


def require_reachable_settings(environment: Mapping[str, str]) -> None:
    """Check that what the user has set does not keep the machines of a run apart.

    Raises:
        AddressError: it does.
    """
    middleware = environment.get("RMW_IMPLEMENTATION") or FAST_DDS
    if FAST_DDS not in middleware:
        raise AddressError(
            f"RMW_IMPLEMENTATION {middleware}: runs over several machines need Fast DDS; unset it, or take"
            " rmw_fastrtps_cpp"
        )
    chosen = environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "").upper()
    if chosen in LOCAL_RANGES or environment.get("ROS_LOCALHOST_ONLY") == "1":
        name = f"ROS_AUTOMATIC_DISCOVERY_RANGE={chosen}" if chosen in LOCAL_RANGES else "ROS_LOCALHOST_ONLY=1"
        raise AddressError(f"{name} keeps ROS on this machine, and the run shall reach another one: unset it")


def client_variables(server: str, domain: int, environment: Mapping[str, str], profile: str) -> dict[str, str]:
    """Environment variables with which a process finds the others through the server alone.

    It is told of everybody (``ROS_SUPER_CLIENT``): a run looks at who else publishes, also where it only writes.

    Args:
        server: host and port.
        profile: path of :data:`PROFILE`; the user's own settings of Fast DDS come before it.
    """
    variables = {
        "ROS_DISCOVERY_SERVER": server,
        "ROS_SUPER_CLIENT": "TRUE",
        "ROS_DOMAIN_ID": str(domain),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET",
    }
    if environment.get("ROS_DISTRO") in FAST_DDS_2 or any(name in environment for name in DDS_SETTINGS):
        return variables
    return {**variables, DDS_SETTINGS[0]: profile}


def server_command(address: ServerAddress) -> list[str]:
    """The command line of the server.

    Raises:
        AddressError: the program is not installed, cannot be run, or does not answer.
    """
    found = shutil.which(PROGRAM)
    if found is None:
        raise AddressError(f"{PROGRAM} is not on this machine; it comes with Fast DDS (ros-$ROS_DISTRO-fastrtps)")
    try:
        asked = subprocess.run([found, AS_SERVER, "-h"], capture_output=True, check=False, timeout=ANSWER)
    except subprocess.TimeoutExpired as error:
        raise AddressError(f"{PROGRAM} does not say within {ANSWER:.0f} s how it is started; is it broken?") from error
    except OSError as error:
        raise AddressError(f"{PROGRAM} cannot be run: {error.strerror}") from error
    # A server that is started anew under the name of the one before it would not be heard: its messages count as old.
    how = [AS_SERVER] if asked.returncode == 0 else ["-i", "0"]
    return [found, *how, "-l", address.host, "-p", str(address.port)]


def _domain_of(port: str, given: str) -> int:
    last = FIRST_PORT + DOMAINS[-1]
    if not port.isdecimal() or not FIRST_PORT <= int(port) <= last:
        raise AddressError(f"{given}: port {port!r} is outside {FIRST_PORT} .. {last}, one for each ROS domain")
    return int(port) - FIRST_PORT


def _resolved(host: str, given: str) -> str:
    try:
        return socket.gethostbyname(host)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no host has such a name"
        raise AddressError(f"{given}: host {host!r}: {reason}") from error
