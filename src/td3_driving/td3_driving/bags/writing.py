# SPDX-License-Identifier: Apache-2.0
"""Writes messages, serialised as they came, into an MCAP bag that rosbag2 and its tools read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from td3_driving.bags.provenance import PROVENANCE_KEY, Provenance

CONFIG_KEY = "td3_driving/config.yaml"
"""Entry of the bag's custom data that holds the configuration of the run."""


class MissingDefinitionError(ValueError):
    """No text of a message definition is installed."""


class BagWriter:
    """A bag that is being written; a context manager.

    Args:
        folder: must not exist yet.
        topics: full name -> message type.
        config: the run's configuration as the text of a parameter file.
        prefixes: installation folders that hold ``share/PACKAGE/msg/*.msg``.
        latched: topics whose publishers keep messages for late readers, as a player of the bag then does.

    Raises:
        MissingDefinitionError: a message type is neither part of ROS 2 nor installed in ``prefixes``.
    """

    def __init__(
        self,
        folder: Path,
        topics: Mapping[str, str],
        config: str,
        prefixes: Iterable[Path],
        latched: Collection[str] = (),
    ) -> None:
        self._topics, self._latched = topics, latched
        self._store = definitions(set(topics.values()), list(prefixes))
        # Humble does not understand how later versions write the quality of service.
        self._writer = Writer(folder, version=8, storage_plugin=StoragePlugin.MCAP)
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._writer.set_custom_data(CONFIG_KEY, config)
        self._connections: dict[str, Any] = {}
        self._provenance = Provenance()
        self._newest = 0
        self.count = 0

    def __enter__(self) -> BagWriter:
        self._writer.open()
        for topic, kind in self._topics.items():
            self._connections[topic] = self._writer.add_connection(
                topic, kind, typestore=self._store, offered_qos_profiles=[offered(topic in self._latched)]
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._provenance.told:
            self._writer.set_custom_data(PROVENANCE_KEY, self._provenance.text())
        self._writer.__exit__(kind, value, trace)

    def write(self, topic: str, wall_ns: int, data: bytes, process: bytes | None = None) -> None:
        """Append the CDR bytes ``data`` that came at ``wall_ns`` [ns].

        Args:
            process: that sent the message, :data:`~td3_driving.bags.provenance.UNKNOWN` where ROS 2 does not tell;
                ``None``: nobody asks for it on this topic.
        """
        # Readers sort by time, and a clock of the machine that is set back must not change the order.
        self._newest = max(self._newest, wall_ns)
        self._writer.write(self._connections[topic], self._newest, data)
        self.count += 1
        if process is not None:
            self._provenance.note(topic, process)


def offered(latched: bool) -> Qos:
    """Quality of service of a publisher of the contract, as a bag notes it."""
    for_ever = QosTime(sec=2_147_483_647, nsec=4_294_967_295)
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=10,
        reliability=QosReliability.RELIABLE,
        durability=QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        deadline=for_ever,
        lifespan=for_ever,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=for_ever,
        avoid_ros_namespace_conventions=False,
    )


def definitions(kinds: set[str], prefixes: list[Path]) -> Any:
    """A type store that knows ``kinds``: the types of ROS 2, and the others from their installed texts.

    Raises:
        MissingDefinitionError: one is nowhere to be found.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    for package in sorted({kind.split("/")[0] for kind in kinds if kind not in store.fielddefs}):
        store.register(_package_types(package, prefixes))
    missing = sorted(kind for kind in kinds if kind not in store.fielddefs)
    if missing:
        raise MissingDefinitionError(f"no definition of {missing[0]} is installed; build the workspace and source it")
    return store


def _package_types(package: str, prefixes: list[Path]) -> dict[str, Any]:
    types: dict[str, Any] = {}
    for prefix in prefixes:
        files = sorted((prefix / "share" / package / "msg").glob("*.msg"))
        for file in files:
            types.update(get_types_from_msg(file.read_text(encoding="utf-8"), f"{package}/msg/{file.stem}"))
        if files:
            return types
    return types
