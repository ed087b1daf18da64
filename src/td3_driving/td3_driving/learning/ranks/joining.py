# SPDX-License-Identifier: Apache-2.0
"""Brings the ranks of a learner together: those that ``torchrun`` started, or those that rank 0 starts on its machine.

All know one address from their environment, where a store of ``torch.distributed`` lies. Rank 0 leaves there where it
listens, with a key; the others connect and say who they are. Whoever reaches these ports is believed: they are
loopback's where all ranks are on one machine, and else belong on a network of one's own.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from torch import distributed
from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]  # torch exports them unsaid

from td3_driving import __version__
from td3_driving.learning.device import device_of
from td3_driving.learning.ranks.leader import Leader, Member
from td3_driving.learning.ranks.links import GRACE, RankLink, accept
from td3_driving.learning.ranks.messages import RankMessage, pack
from td3_driving.learning.ranks.sharing import ALONE, Alone, RankLost
from td3_driving.learning.trainer import Trainer
from td3_driving.processes.child_process import start_process
from td3_driving.settings import Settings

PATIENCE = 300.0
"""Wall time within which all ranks must come [s]: a machine may have to fetch a container first."""
LOOK = 0.5
"""Wall time between two looks whether a process that was started has ended [s]."""
HUB = "td3_driving/hub"
LOOPBACK = "127.0.0.1"
FOLLOWER = "td3_driving.learning.ranks.follower"
VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""Variables of the environment that tell a process its place, as ``torchrun`` sets them."""
AGENT = "TORCHELASTIC_USE_AGENT_STORE"
STDERR = 2


@dataclass(frozen=True, slots=True)
class RankPlace:
    """Where a process stands among the ranks.

    Attributes:
        rank, size: its number, of how many.
        local, here: its number among those of its machine, of how many.
        host, port: of the store.
        serves: it serves the store itself, because nobody else does.
    """

    rank: int
    size: int
    local: int
    here: int
    host: str
    port: int
    serves: bool = False

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> RankPlace:
        """The place that ``torchrun``, or rank 0, has told this process.

        Raises:
            ValueError: it was told none.
        """
        missing = [name for name in VARIABLES if not environment.get(name)]
        if missing:
            raise ValueError(f"{', '.join(missing)} not set: ranks are started by torchrun, or by learning.learners")
        try:
            rank, size, local, here = (int(environment[name]) for name in VARIABLES[:4])
            port = int(environment["MASTER_PORT"])
        except ValueError as error:
            raise ValueError(f"the place of a rank in the environment is no number: {error}") from error
        serves = rank == 0 and environment.get(AGENT) != "True"
        return cls(rank, size, local, here, environment["MASTER_ADDR"], port, serves)

    @property
    def one_machine(self) -> bool:
        """Whether all ranks are on this machine."""
        return self.here == self.size

    def environment(self) -> dict[str, str]:
        """The variables that tell a process this place."""
        values = (self.rank, self.size, self.local, self.here, self.host, self.port)
        return {name: str(value) for name, value in zip(VARIABLES, values)}


def led_trainer(settings: Settings, run_directory: Path, state_dim: int) -> Trainer:
    """The trainer of a run with all its ranks; ``trainer.ranks.close()`` lets them end.

    Raises:
        ReplayError, CheckpointError, RankLost, ValueError: see :class:`Trainer` and :func:`lead`.
    """
    ranks = lead(settings, run_directory, state_dim)
    try:
        return Trainer(settings, run_directory, state_dim, ranks=ranks)
    except BaseException:
        ranks.close()
        raise


def lead(settings: Settings, run_directory: Path, state_dim: int) -> Alone:
    """The ranks of the run, as rank 0 has them; it starts those that ``torchrun`` did not.

    Raises:
        ValueError: ``torchrun`` started another number of ranks than ``learning.learners``, or the number format is
            left open.
        RankLost: a rank did not come, or runs another version.
    """
    size = settings.learning.learners
    if size == 1:
        return ALONE
    if "auto" in (settings.learning.precision, settings.learning.compile):
        raise ValueError("precision or compile auto is chosen by each learner for itself: with several, name them")
    began = RankMessage(
        "begin", {"settings": settings.flat(), "run_directory": str(run_directory.absolute()), "state_dim": state_dim}
    )
    if "WORLD_SIZE" not in os.environ:
        store, port = _loopback_store(size)
        places = [RankPlace(rank, size, rank, size, LOOPBACK, port) for rank in range(size)]
        processes = {place.rank: _started(place) for place in places[1:]}
        return _led(places[0], store, settings, began, processes)
    place = RankPlace.of_environment()
    if (place.rank, place.size) != (0, size):
        raise ValueError(f"this is rank {place.rank} of {place.size} by its environment; learning.learners is {size}")
    return _led(place, store_of(place), settings, began, {})


def join(place: RankPlace) -> tuple[RankLink, Store]:
    """Connect with rank 0; the link, and the store that both know.

    Raises:
        OSError, RuntimeError: rank 0 cannot be reached.
    """
    store = store_of(place)
    hub = json.loads(store.get(HUB))
    connection = socket.create_connection((hub["host"] or place.host, hub["port"]), PATIENCE)
    link = RankLink(connection, hub["patience"])
    own = {"rank": place.rank, "place": f"process {os.getpid()} on {socket.gethostname()}", **_versions()}
    link.send(json.dumps({"key": hub["key"], **own}).encode())
    return link, store


def store_of(place: RankPlace) -> Store:
    """The store that all ranks know.

    Raises:
        RuntimeError: it cannot be reached.
    """
    return TCPStore(
        place.host,
        place.port,
        place.size,
        is_master=place.serves,
        timeout=timedelta(seconds=PATIENCE),
        wait_for_workers=False,
        multi_tenant=True,
    )


def enter_group(place: RankPlace, settings: Settings, store: Store) -> None:
    """Enter the process group in which gradients are exchanged: over NCCL where each rank has a GPU, else over gloo.

    Raises:
        RuntimeError: the other ranks cannot be reached.
    """
    if place.one_machine:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    own_gpu = device_of(settings.learning).type == "cuda" and torch.cuda.device_count() >= place.here
    if own_gpu:
        # NCCL lets a wait end with an error only where it is told to.
        os.environ.setdefault("TORCH_NCCL_BLOCKING_WAIT", "1")
        torch.cuda.set_device(place.local)
    distributed.init_process_group(
        "nccl" if own_gpu else "gloo",
        store=PrefixStore("group", store),
        rank=place.rank,
        world_size=place.size,
        timeout=timedelta(seconds=patience_of(settings)),
    )


def patience_of(settings: Settings) -> float:
    """Wall time after which a rank that does not take part counts as lost [s]."""
    return max(settings.pacing.stall_timeout, GRACE)


def _led(
    place: RankPlace,
    store: Store,
    settings: Settings,
    began: RankMessage,
    processes: dict[int, subprocess.Popen[bytes]],
) -> Leader:
    try:
        members = _gathered(place, store, patience_of(settings), processes)
        for member in members:
            member.link.send(pack(began))
        enter_group(place, settings, store)
    except (RankLost, OSError, RuntimeError) as error:
        for process in processes.values():
            process.kill()
            process.wait()
        raise RankLost(f"the {place.size} learners did not come together: {error}") from error
    return Leader(members, place.here, settings.run.num_actors)


def _gathered(
    place: RankPlace, store: Store, patience: float, processes: Mapping[int, subprocess.Popen[bytes]]
) -> list[Member]:
    """Listen until every other rank has connected and said who it is."""
    key = secrets.token_hex(32)
    members: dict[int, Member] = {}
    until = monotonic() + PATIENCE
    with _server(place) as server:
        host = LOOPBACK if place.one_machine else ""
        hub = {"host": host, "port": server.getsockname()[1], "key": key, "patience": patience}
        store.set(HUB, json.dumps(hub))
        while missing := [rank for rank in range(1, place.size) if rank not in members]:
            if monotonic() > until:
                raise RankLost(f"rank {missing[0]} of {place.size} did not come within {PATIENCE:.0f} s")
            _require_alive(missing, processes)
            connection = accept(server, LOOK)
            if connection is not None and (found := _introduced(connection, patience, key)) is not None:
                link, said = found
                members[said["rank"]] = Member(said["rank"], said["place"], link, processes.get(said["rank"]))
    return [members[rank] for rank in sorted(members)]


def _introduced(connection: socket.socket, patience: float, key: str) -> tuple[RankLink, dict[str, Any]] | None:
    """The link to a rank, and what it says of itself; ``None`` for somebody else, who is left alone.

    Raises:
        RankLost: the rank runs another version.
    """
    link = RankLink(connection, patience)
    said: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        said = dict(json.loads(link.next(GRACE)))
    if not hmac.compare_digest(str(said.get("key", "")).encode(), key.encode()):
        link.close()
        return None
    link.start_beating()
    theirs = {name: said.get(name) for name in _versions()}
    if theirs != _versions():
        raise RankLost(f"rank {said['rank']} ({said['place']}) runs {theirs}, rank 0 runs {_versions()}")
    return link, said


def _versions() -> dict[str, str]:
    """What must be equal for equal arithmetic."""
    return {"td3_driving": __version__, "torch": str(torch.__version__)}


def _require_alive(missing: Sequence[int], processes: Mapping[int, subprocess.Popen[bytes]]) -> None:
    for rank in missing:
        code = processes[rank].poll() if rank in processes else None
        if code is not None:
            raise RankLost(f"rank {rank} ended with exit code {code} before it came")


def _started(place: RankPlace) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", FOLLOWER]
    return start_process(command, {**os.environ, **place.environment(), AGENT: "False"}, STDERR)


def _server(place: RankPlace) -> socket.socket:
    if place.one_machine:
        return socket.create_server((LOOPBACK, 0))
    both = socket.has_dualstack_ipv6()
    return socket.create_server(("", 0), family=socket.AF_INET6 if both else socket.AF_INET, dualstack_ipv6=both)


def _loopback_store(size: int) -> tuple[Store, int]:
    """A store that this machine alone can reach, and its port."""
    server = socket.create_server((LOOPBACK, 0))
    port = server.getsockname()[1]
    store = TCPStore(
        LOOPBACK,
        port,
        size,
        is_master=True,
        timeout=timedelta(seconds=PATIENCE),
        wait_for_workers=False,
        master_listen_fd=server.detach(),
    )
    return store, port
