"""Samples out of a ROS 2 bag (rosbag2 SQLite or MCAP) of the topics ``/td3/*``, without ROS.

``RewardComponents``, ``EpisodeSummary`` and ``LearnerStatus`` become the series that the diagnostics node writes for
them. The message types come with the bag; older bags that do not hold them cannot be read.
"""

from __future__ import annotations

import sqlite3
import struct
from pathlib import Path
from typing import Any, Iterator

from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.event_file import Scalar
from td3_driving.doctor.readers.bag_guard import check_bag

SUFFIXES = (".mcap", ".db3")
PARTS = ("efficiency", "lane_keeping", "comfort", "safety", "progress")
KMH = 3.6
# What a damaged bag makes of its reader.
BROKEN = (
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AssertionError,
    RuntimeError,
    EOFError,
    struct.error,
    sqlite3.Error,
)


def is_bag(path: Path) -> bool:
    """Whether ``path`` is a bag file, or a folder that holds one."""
    if path.is_file():
        return path.suffix in SUFFIXES
    return any(file.suffix in SUFFIXES for file in path.iterdir())


def read_bag(path: Path) -> Iterator[Scalar]:
    """Yield the samples of a bag in the order of recording.

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
            wanted = [connection for connection in reader.connections if _kind(connection.msgtype) in CONVERTERS]
            if not wanted:
                raise Unusable(f"{path} holds none of the topics /td3/reward, /td3/episode, /td3/learner_status")
            steps: dict[str, int] = {}
            for connection, nanoseconds, data in reader.messages(connections=wanted):
                message = reader.deserialize(data, connection.msgtype)
                yield from CONVERTERS[_kind(connection.msgtype)](message, nanoseconds * 1e-9, steps)
    except Unusable:
        raise
    except (AnyReaderError, OSError, *BROKEN) as error:
        raise Unusable(
            f"{path} cannot be read as a bag: {(str(error) or type(error).__name__).splitlines()[0]}"
        ) from error


def _kind(message_type: str) -> str:
    package, _, name = message_type.partition("/")
    return name.rpartition("/")[2] if package == "td3_driving_msgs" else ""


def _total(steps: dict[str, int], actor: str, step: int) -> int:
    """Environment steps over all actors once ``actor`` has come to ``step``."""
    steps[actor] = max(step, steps.get(actor, 0))
    return sum(steps.values())


def _reward(message: Any, wall: float, steps: dict[str, int]) -> Iterator[Scalar]:
    step = _total(steps, message.actor_id, int(message.step))
    for part in PARTS:
        yield Scalar(f"reward/{part}", step, float(getattr(message, part)), wall)
    yield Scalar("reward/total", step, float(message.total), wall)
    yield Scalar("progress/current_reward", step, float(message.total), wall)
    yield Scalar("progress/speed_kmh", step, float(message.speed) * KMH, wall)


def _episode(message: Any, wall: float, steps: dict[str, int]) -> Iterator[Scalar]:
    step = _total(steps, message.actor_id, int(message.step))
    yield Scalar("train/episode_reward", step, float(message.episode_return), wall)
    yield Scalar("train/episode_length", step, float(message.length), wall)
    yield Scalar("train/collisions_per_episode", step, float(message.collisions), wall)
    yield Scalar("train/lane_invasions_per_episode", step, float(message.lane_invasions), wall)
    yield Scalar("train/exploration_noise", step, float(message.exploration_noise), wall)


def _learner(message: Any, wall: float, steps: dict[str, int]) -> Iterator[Scalar]:
    if message.log_point:
        for tag, value in zip(message.tags, message.values):
            yield Scalar(str(tag), int(message.inserted), float(value), wall)


CONVERTERS = {"RewardComponents": _reward, "EpisodeSummary": _episode, "LearnerStatus": _learner}
