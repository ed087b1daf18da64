# SPDX-License-Identifier: Apache-2.0
"""Samples out of a ROS 2 bag (rosbag2 SQLite or MCAP) of the topics ``/td3/*``, without ROS.

The messages become the series that the diagnostics node writes for them; :mod:`td3_driving.doctor.messages` says which.
The message types come with the bag; a bag without them cannot be read.
"""

from __future__ import annotations

import sqlite3
import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Iterator

from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.expectations import parse_config
from td3_driving.doctor.messages import LOG_PERIOD, WHO, RecordedRun
from td3_driving.doctor.readers.bag_guard import LARGEST_METADATA, check_bag
from td3_driving.doctor.readers.bounds import load_yaml, small_text
from td3_driving.doctor.scalars import ReadReport, Scalar

SUFFIXES = (".mcap", ".db3")
METADATA = "metadata.yaml"
OLD = "RewardComponents"
ANEW = "its messages cannot be read as named terms: read the run's event file, or record it anew"
CONFIG_KEY = "td3_driving/config.yaml"
"""Entry of a bag's custom data that holds the configuration of the run."""
# What a damaged bag makes of its reader.
BROKEN = (
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AssertionError,
    RuntimeError,
    EOFError,
    OverflowError,
    struct.error,
    sqlite3.Error,
)


def is_bag(path: Path) -> bool:
    """Whether ``path`` is a bag file, or a folder that holds one."""
    if path.is_file():
        return path.suffix in SUFFIXES
    return any(file.suffix in SUFFIXES for file in path.iterdir())


def bag_config(path: Path) -> dict[str, Any]:
    """The configuration ``{"group.name": value}`` that the recorder left in a bag; empty where there is none."""
    metadata = (path if path.is_dir() else path.parent) / METADATA
    try:
        loaded = load_yaml(small_text(metadata, LARGEST_METADATA))
        return parse_config(loaded["rosbag2_bagfile_information"]["custom_data"][CONFIG_KEY])
    except (ValueError, KeyError, TypeError):
        return {}


def read_bag(path: Path, report: ReadReport) -> Iterator[Scalar]:
    """Yield the samples of a bag in the order of recording; ``report`` gets the names of strangers.

    Whoever shares the domain can send bytes that are no message, or steps with other terms than the run has, and the
    recorder keeps them. They are left out, and ``report.wrong`` says so.

    Raises:
        Unusable: the bag cannot be read or holds no topic that the doctor knows.
    """
    # Only bags need it, and it takes half a second to import.
    try:
        from rosbags.highlevel import AnyReader, AnyReaderError
        from rosbags.typesys import Stores, get_typestore
    except ImportError as error:
        raise Unusable(f"{path} is a bag; to read it, install the package rosbags") from error
    check_bag(path)
    try:
        with AnyReader([path], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as reader:
            yield from _samples(reader, RecordedRun(_log_period(path)), path, report, (AnyReaderError, *BROKEN))
    except Unusable:
        raise
    except (AnyReaderError, OSError, *BROKEN) as error:
        raise Unusable(
            f"{path} cannot be read as a bag: {(str(error) or type(error).__name__).splitlines()[0]}"
        ) from error


def unreadable(unread: Mapping[str, int], path: Path) -> str:
    """The sentence on messages that were left out of the bag ``path``, counted by topic; "" where there is none."""
    if not any(unread.values()):
        return ""
    where = ", ".join(f"{count} on {topic}" for topic, count in sorted(unread.items()))
    return f"message(s) of {path} that are damaged or none of the run were left out: {where}"


def _samples(
    reader: Any, run: RecordedRun, path: Path, report: ReadReport, broken: tuple[type[Exception], ...]
) -> Iterator[Scalar]:
    wanted = [connection for connection in reader.connections if _kind(connection.msgtype) in RecordedRun.KINDS]
    if any(_kind(connection.msgtype) == OLD for connection in reader.connections):
        raise Unusable(f"{path} was recorded when the reward had five fixed parts ({OLD}); {ANEW}")
    if not wanted:
        raise Unusable(f"{path} holds none of the topics /td3/reward, /td3/episode, /td3/learner_status")
    unread: Counter[str] = Counter()
    read = 0
    for connection, nanoseconds, data in reader.messages(connections=wanted):
        try:
            message = reader.deserialize(data, connection.msgtype)
            samples = list(run.samples(_kind(connection.msgtype), message, nanoseconds * 1e-9))
        except broken:
            unread[connection.topic] += 1
            report.wrong = unreadable(unread, path)
            continue
        read += 1
        yield from samples
        if run.who:
            report.texts[WHO] = run.who
    if unread and not read:
        raise Unusable(report.wrong)


def _log_period(path: Path) -> int:
    """Environment steps between two points of the run, by its configuration."""
    try:
        return max(1, int(bag_config(path).get("run.log_period", LOG_PERIOD)))
    except (TypeError, ValueError):
        return LOG_PERIOD


def _kind(message_type: str) -> str:
    package, _, name = message_type.partition("/")
    return name.rpartition("/")[2] if package == "td3_driving_msgs" else ""
