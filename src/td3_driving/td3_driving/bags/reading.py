# SPDX-License-Identifier: Apache-2.0
"""Reads untrusted bags: any defect raises a :class:`BagError` of one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from rosbags.highlevel import AnyReader, AnyReaderError

from td3_driving.bags.provenance import PROVENANCE_KEY, UNKNOWN, Provenance, ProvenanceError
from td3_driving.bags.topics import SHOWN, TOPICS
from td3_driving.bags.writing import CONFIG_KEY
from td3_driving.doctor.bag import BROKEN
from td3_driving.runs.profiles import load_run, parse_run
from td3_driving.settings import Settings, SettingsError

MAX_MESSAGE = 64 * 2**20
"""Longest message that is read [bytes]; a camera image of 1920x1080 has 8.3 MB."""
MAX_CONFIG = 2**20
"""Longest configuration [characters]."""
OLD_REWARD = "reward_parts"
"""Field of the experiences in bags from before the terms of the reward had names."""
OLD_BAG = (
    "was recorded when the reward had five fixed parts (Experience.reward_parts); its steps carry no terms"
    " (Experience.reward_terms), so they cannot be rebuilt: record the run anew"
)
_KINDS = {topic.name: [kind for kind in (topic.kind, topic.also) if kind] for topic in (*TOPICS, *SHOWN)}


class BagError(ValueError):
    """A bag cannot be read, or is not one of ours."""


@dataclass(frozen=True, slots=True)
class BagMessage:
    """One message of a bag.

    Attributes:
        space: namespace of its topic, "" for the root.
        name: of its topic without the namespace, as in :mod:`td3_driving.bags.topics`.
        message: its fields.
        time_ns: when it was recorded [ns].
        process: that sent it, where the bag says so.
    """

    space: str
    name: str
    message: Any
    time_ns: int = 0
    process: bytes = UNKNOWN


class Bag:
    """An open bag; a context manager.

    Attributes:
        unread: messages that were left out, because their bytes are none of their topic, by topic.

    Args:
        path: folder of the bag.

    Raises:
        BagError: it is not readable as a bag.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unread: Counter[str] = Counter()
        if not (path / "metadata.yaml").is_file():
            raise BagError(f"{path} is not the folder of a bag: it holds no metadata.yaml")
        try:
            self._reader = AnyReader([path])
            self._reader.open()
        except Exception as error:  # Damaged bytes make the reader raise almost anything.
            raise BagError(f"{path} cannot be read as a bag: {_line(error)}") from error
        if any(OLD_REWARD in f"{entry.msgtype} {entry.msgdef}" for entry in self._reader.connections):
            self._reader.close()
            raise BagError(f"{path} {OLD_BAG}")
        try:
            self._provenance = self._read_provenance()
        except ProvenanceError as error:
            self._reader.close()
            raise BagError(f"{path} does not say who sent what as a recorder does: {error}") from error

    def __enter__(self) -> Bag:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.close()

    def settings(self) -> Settings:
        """The configuration of the run that was recorded: from the bag, or from the run folder it lies in.

        Raises:
            BagError: there is none, or it is no valid configuration.
        """
        text = self._custom().get(CONFIG_KEY)
        beside = self.path.resolve().parent / "config.yaml"
        try:
            if isinstance(text, str) and len(text) <= MAX_CONFIG:
                return parse_run(text, f"the configuration in {self.path}")
            if beside.is_file():
                return load_run(beside)
        except SettingsError as error:
            raise BagError(str(error)) from error
        raise BagError(f"{self.path} holds no configuration of a training run, and none lies beside it")

    @property
    def told(self) -> bool:
        """Whether the bag says which process sent its messages."""
        return self._provenance.told

    def names(self) -> set[str]:
        """Names of the topics that a recording of a run has and that hold messages here, without namespaces."""
        return {_split(entry.topic)[1] for entry in self._wanted(set(_KINDS)) if entry.msgcount}

    def messages(self, names: set[str]) -> Iterator[BagMessage]:
        """The messages of ``names`` in the order of recording, but for those that :attr:`unread` counts.

        Raises:
            BagError: the bag breaks off.
        """
        connections = self._wanted(names)
        counts: Counter[str] = Counter()
        try:
            for connection, time_ns, data in self._reader.messages(connections=connections):
                if len(data) > MAX_MESSAGE:
                    raise BagError(f"{self.path}: a message on {connection.topic} has {len(data)} bytes")
                process = self._provenance.process(connection.topic, counts[connection.topic])
                counts[connection.topic] += 1
                message = self._message(connection, data)
                if message is not None:
                    yield BagMessage(*_split(connection.topic), message, time_ns, process)
        except BagError:
            raise
        except Exception as error:  # As above.
            raise BagError(f"{self.path} is damaged: {_line(error)}") from error

    def _message(self, connection: Any, data: bytes) -> Any:
        """The message of bytes; ``None`` where they are none of their topic, as a stranger may send them."""
        try:
            return self._reader.deserialize(data, connection.msgtype)
        except (AnyReaderError, *BROKEN):
            self.unread[connection.topic] += 1
            return None

    def _custom(self) -> dict[str, Any]:
        """What the bag says of itself beside its messages."""
        metadata = getattr(getattr(self._reader.readers[0], "storage", None), "metadata", None)
        custom = getattr(metadata, "custom", None)
        return custom if isinstance(custom, dict) else {}

    def _read_provenance(self) -> Provenance:
        text = self._custom().get(PROVENANCE_KEY)
        if not isinstance(text, str):
            return Provenance()
        counts: Counter[str] = Counter()
        for entry in self._reader.connections:
            counts[entry.topic] += entry.msgcount
        return Provenance.read(text, counts)

    def _wanted(self, names: set[str]) -> list[Any]:
        found = []
        for entry in self._reader.connections:
            name = _split(entry.topic)[1]
            if name not in names:
                continue
            if entry.msgtype not in _KINDS[name]:
                raise BagError(
                    f"{self.path}: {entry.topic} is of type {entry.msgtype}, not {' or '.join(_KINDS[name])}"
                )
            found.append(entry)
        return found


def bag_of(recording: Path) -> Path:
    """The folder of a bag: ``recording`` itself, or the newest one in it if it is a run folder.

    Raises:
        BagError: there is none.
    """
    if (recording / "metadata.yaml").is_file():
        return recording
    bags = sorted(recording.glob("bag*/metadata.yaml"), key=lambda path: path.stat().st_mtime)
    if bags:
        return bags[-1].parent
    if not recording.exists():
        raise BagError(f"{recording} does not exist")
    raise BagError(f"{recording} holds no bag: record the run with --record, or name the folder of a bag")


def _split(topic: str) -> tuple[str, str]:
    """Namespace and name of a topic of a run: ``/actor_1/carla/status`` -> ``/actor_1``, ``carla/status``."""
    name = topic.lstrip("/")
    head, _, rest = name.partition("/")
    return (f"/{head}", rest) if head.startswith("actor_") and rest else ("", name)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
