# SPDX-License-Identifier: Apache-2.0
"""``td3-driving actor``: simulator and policy that feed a learner on another machine."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from td3_driving import __version__
from td3_driving.doctor.command_line import CommandParser
from td3_driving.doctor.plain_console import PlainConsole
from td3_driving.driving.seeding import actor_names
from td3_driving.launching.child import command
from td3_driving.launching.node_table import SIMULATORS, ProcessSpec, RunOptions, actor_processes
from td3_driving.launching.prepare import link_profile, machine_variables, require_carla
from td3_driving.launching.progress import Screen
from td3_driving.launching.supervisor import Supervisor
from td3_driving.processes.discovery_server import (
    ServerAddress,
    client_variables,
    parse_address,
    require_reachable_settings,
)
from td3_driving.processes.exit_codes import INTERRUPTED
from td3_driving.processes.ros_needs import check_ros, log_variables, spare_log_folder
from td3_driving.runs.profiles import override, parameter_file, parse_profile
from td3_driving.runs.refusals import refuse
from td3_driving.settings import Scalar, Settings, SettingsError
from td3_driving.trust.token import VARIABLE, read_token

MOST_BYTES = 2**20
"""Largest offer that is read."""
MOST_DRAWN = 2**20
"""Sessions that an actor chooses from; as nanoseconds they are less than it takes to join."""


@dataclass(frozen=True)
class Offer:
    """What the learner says of its run.

    Attributes:
        settings: of the run.
        begun_at: steps that the run had when it was started or continued.
        start: number of that start, which the seals of its messages need.
        actors: name of each actor: ``session``, the newest that the run knows, and ``done``, its steps since then.
    """

    settings: Settings
    begun_at: int
    start: int
    actors: Mapping[str, Mapping[str, int]]

    def place(self, actor: str, drawn: int) -> dict[str, Scalar]:
        """Parameters with which the policy of ``actor`` joins the run.

        Its session must be newer to the learner than all before. The clock of this machine has no say in that: one
        that goes ahead would put the sessions of others behind this one.

        Args:
            drawn: below :data:`MOST_DRAWN`; tells two machines apart that take the same place at the same time.
        """
        known = self.actors[actor]
        session = known["session"] + 1 + drawn
        return {"session": session, "begun_at": self.begun_at, "done": known["done"], "start": self.start}


class RefusalLines:
    """Passes on the sentence with which a process refuses, and nothing else of what it says."""

    def line(self, name: str, text: str) -> None:
        """One line of process ``name``."""
        if name != "run" and text.startswith("error: "):
            print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Drive until the learner has all the steps that it asked for.

    Returns:
        0: the run is over; 1: a process failed, or the learner fell silent; 2: bad input; 130: interrupted.
    """
    asked = _parser().parse_args(arguments)
    try:
        server, environment = _environment(asked)
    except (ValueError, OSError) as error:
        return refuse(error)
    with TemporaryDirectory(prefix="td3_driving_actor_") as folder:
        return _join(asked, server, environment, Path(folder))


def _environment(asked: argparse.Namespace) -> tuple[ServerAddress, dict[str, str]]:
    """Where the run is, and the environment of the processes that take part in it."""
    read_token(asked.token)
    require_reachable_settings(os.environ)
    host, domain = parse_address(asked.learner, "--learner", os.environ)
    server = ServerAddress(host, domain or 0)
    check_ros(os.environ)
    client = client_variables(str(server), server.domain, os.environ, link_profile())
    own = {VARIABLE: str(asked.token.absolute()), "PYTHONUNBUFFERED": "1"}
    return server, {**os.environ, **client, **log_variables(os.environ, spare_log_folder()), **own}


def _join(asked: argparse.Namespace, server: ServerAddress, environment: dict[str, str], folder: Path) -> int:
    console = PlainConsole(soft_wrap=True, highlight=False, markup=False)
    console.print(f"asks the run at {server} for its configuration")
    file = folder / "offer.json"
    wanted = ",".join(f"actor_{index}" for index in asked.actors)
    parameters = {"file": str(file), "server": str(server), "wanted": wanted, "patience": asked.patience}
    joiner = ProcessSpec("joiner", "joiner", parameters=parameters, on_exit="main")
    end = Supervisor([joiner], lambda spec: command(spec, ""), RefusalLines(), environment).run()
    if end.code:
        return end.code
    try:
        offer = read_offer(file.read_text(encoding="utf-8"))
        specs = take_part(offer, asked, folder)
    except (ValueError, OSError) as error:
        return refuse(error)
    return _drive(specs, environment | machine_variables(offer.settings, os.environ), folder, console)


def read_offer(text: str) -> Offer:
    """Check what the learner offers.

    Raises:
        SettingsError: this installation reads another configuration out of it than the learner has.
    """
    if len(text) > MOST_BYTES:
        raise SettingsError(f"the learner's configuration has more than {MOST_BYTES} letters, which none has")
    told = json.loads(text)
    other = "" if told["version"] == __version__ else f" (td3_driving {told['version']} there, {__version__} here)"
    try:
        settings = parse_profile(told["parameters"], f"the learner's configuration{other}")
    except SettingsError as error:
        raise SettingsError(f"{error}; install the learner's version on this machine") from error
    if settings.digest() != told["config_hash"]:
        here, there = settings.digest()[:12], told["config_hash"][:12]
        raise SettingsError(
            f"the learner's configuration is {there}, and this machine reads {here} out of it{other}: install the"
            " learner's version"
        )
    return Offer(settings, told["begun_at"], told["start"], told["actors"])


def take_part(offer: Offer, asked: argparse.Namespace, folder: Path) -> list[ProcessSpec]:
    """The processes of the actors that are ``asked`` for; writes their parameter file into ``folder``.

    Raises:
        ValueError: the run has no such actors, or a changed setting would make it another run.
    """
    settings = override(offer.settings, asked.set)
    changed = [name for name, value in settings.flat().items() if offer.settings.flat()[name] != value]
    if others := [name for name in changed if not name.startswith("carla.")]:
        raise SettingsError(
            f"--set {', '.join(others)}: an actor has the configuration of its learner; it may choose only how it"
            " reaches its simulator, carla.*"
        )
    names = actor_names(settings.run.num_actors)
    indexes = asked.actors or range(len(names))
    if beyond := [index for index in indexes if index >= len(names)]:
        raise ValueError(f"--actors {beyond[0]}: the run has the actors 0 .. {len(names) - 1}")
    options = RunOptions(folder, simulator=asked.simulator, num_actors=len(names), faults=asked.faults)
    if asked.simulator == "carla":
        require_carla(settings, os.environ)
    options.params_file.write_text(parameter_file(settings), encoding="utf-8")
    places = {index: offer.place(names[index], secrets.randbelow(MOST_DRAWN)) for index in indexes}
    return actor_processes(options, places)


def _drive(specs: list[ProcessSpec], environment: Mapping[str, str], folder: Path, console: Console) -> int:
    params_file = str(folder / "config.yaml")
    console.print(f"takes part with {', '.join(spec.name for spec in specs)}")
    with Screen(console) as screen:
        end = Supervisor(specs, lambda spec: command(spec, params_file), screen, environment).run()
    if end.code and end.code != INTERRUPTED:
        console.print(f"the actor failed: {end.reason}", style="bold red")
    return end.code


def actor_numbers(text: str) -> list[int]:
    """Numbers of actors out of ``0-3,7``.

    Raises:
        argparse.ArgumentTypeError: the text has another form.
    """
    numbers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or len(part) > 12:
            raise argparse.ArgumentTypeError(f"{text!r} is not of the form 0, 0-3 or 0,2,5-7")
        end = int(last) if dash else int(first)
        if end - int(first) >= 1000:
            raise argparse.ArgumentTypeError(f"{text!r} are more than 1000 actors, too many for one machine")
        numbers += range(int(first), end + 1)
    if not numbers or len(set(numbers)) < len(numbers):
        raise argparse.ArgumentTypeError(f"{text!r} names no actor, or one of them twice")
    return numbers


def patience(text: str) -> float:
    """A time to wait [s].

    Raises:
        argparse.ArgumentTypeError: it is no number within 1 .. 86400.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1.0 <= seconds <= 86400.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds within 1 .. 86400")
    return seconds


def _parser() -> CommandParser:
    parser = CommandParser("td3-driving actor", description="Drive for a learner on another machine.")
    add = parser.add_argument
    add("--learner", required=True, metavar="HOST[:PORT]", help="where td3-driving train --serve runs (port 11811)")
    add("--token", required=True, type=Path, metavar="FILE", help="copy of RUN/token of its run, mode 600")
    add("--actors", type=actor_numbers, default=[], metavar="NUMBERS", help="such as 0, 0-3 or 0,2 (all of the run)")
    add("--simulator", choices=SIMULATORS, default="embedded", help="what drives here (%(default)s)")
    add("--faults", default="", help="faults that the embedded simulator injects, for tests of the stack")
    add("--set", action="append", default=[], metavar="GROUP.NAME=VALUE", help="a setting of this machine alone")
    add("--patience", type=patience, default=60.0, metavar="SECONDS", help="longest wait for the run (%(default)s)")
    return parser
