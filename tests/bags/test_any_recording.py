# SPDX-License-Identifier: Apache-2.0
"""Whatever a recorder missed, in whatever order it heard the rest, however often the simulator was started anew."""

from __future__ import annotations

from collections import defaultdict, deque
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from .recorded_drive import FRAME_NS, Drive, settings

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from td3_driving.bags.digest import memory_digest
from td3_driving.bags.reading import BagError
from td3_driving.bags.replaying import Replayed, replay

from .sensor_bag import SensorBag

Heard = list[tuple[str, Any]]


Episode = tuple[int, int, str]
"""Idle frames before it, its frames, and what befalls it then."""
Life = tuple[int, list[Episode]]
"""Frames that the clock is ahead of the others' begin, and the episodes."""
EPISODES = st.tuples(st.integers(0, 2), st.integers(1, 14), st.sampled_from(("", "collision", "image", "odometry")))
LIVES = st.lists(st.tuples(st.integers(0, 15), st.lists(EPISODES, min_size=1, max_size=3)), min_size=1, max_size=4)
"""Simulators, one after the other: clocks begin where they like, episodes end for any reason."""


def driven(lives: list[Life], lead_ns: int = 0) -> Drive:
    """The drive of some simulators."""
    drive = Drive(settings(run__steps=60), lead_ns=lead_ns)
    for ahead, episodes in lives:
        drive.restart(now_ns=10**9 + ahead * FRAME_NS)
        for idle, frames, fault in episodes:
            if len(drive.sent) == drive.options.run.steps:
                return drive
            for _ in range(idle):
                drive.idle()
            drive.reset()
            for number in range(frames + 1):
                ill = fault if number == frames else ""
                if drive.frame(lose="" if ill == "collision" else ill, collide=ill == "collision") is not None:
                    break
    drive.restart(now_ns=0)
    return drive


def mixed(heard: Heard, random: Random) -> Heard:
    """The messages as if every topic took its own time; those of one topic keep their order."""
    waiting: dict[str, deque[tuple[str, Any]]] = defaultdict(deque)
    for message in heard:
        waiting[message[0]].append(message)
    found = []
    while waiting:
        topic = random.choice(sorted(waiting))
        for _ in range(random.randint(1, 6)):
            if waiting[topic]:
                found.append(waiting[topic].popleft())
        if not waiting[topic]:
            del waiting[topic]
    return found


def examine(drive: Drive, heard: Heard) -> Replayed:
    """Replay what was heard of a drive; every step that was sent is in the memory, rebuilt to the bit or as sent."""
    replayed = replay(SensorBag(drive, heard), drive.options)  # type: ignore[arg-type]
    counters, compared = replayed.intake.counters, replayed.comparison
    assert compared is not None and replayed.source == "sensors"
    assert (compared.different, compared.only_rebuilt) == ([], [])
    assert (counters.rejected, counters.lost, counters.duplicate) == (0, 0, 0), counters.last_rejection
    assert compared.equal + replayed.filled == counters.inserted == len(drive.sent)
    sent = replay(SensorBag(drive), drive.options, "messages")  # type: ignore[arg-type]
    assert memory_digest(replayed.memory) == memory_digest(sent.memory)
    return replayed


@examples(max_examples=40, deadline=None)
@given(lives=LIVES, lead_ns=st.sampled_from((0, FRAME_NS // 2)), seed=st.integers(0, 2**32))
def test_nothing_lost_is_all_rebuilt_in_whatever_order_the_topics_come(
    lives: list[Life], lead_ns: int, seed: int
) -> None:
    drive = driven(lives, lead_ns)
    if drive.sent:
        assert examine(drive, mixed(drive.heard, Random(seed))).filled == 0


@examples(max_examples=60, deadline=None)
@given(lives=LIVES, seed=st.integers(0, 2**32), share=st.sampled_from((0.02, 0.1, 0.4)))
def test_no_step_differs_whatever_is_lost(lives: list[Life], seed: int, share: float) -> None:
    drive, random = driven(lives), Random(seed)
    heard = [one for one in mixed(drive.heard, random) if one[0] == "replay" or random.random() > share]
    if {"image", "odometry", "command", "objects", "start", "reward", "replay"} <= {topic for topic, _ in heard}:
        examine(drive, heard)


@examples(max_examples=40, deadline=None)
@given(lives=LIVES, seed=st.integers(0, 2**32))
def test_a_recorder_that_finds_the_topics_of_a_new_simulator_one_by_one(lives: list[Life], seed: int) -> None:
    """Of every topic of a simulator the first messages may be missing, of one topic more than of another."""
    drive, random = driven(lives), Random(seed)
    lacking = defaultdict[tuple[bytes, str], int](lambda: random.choice((0, 0, 1, 2, 5, 20)))
    heard = []
    for topic, message in drive.heard:
        sender = (b"" if topic == "replay" else message.process, topic)
        if topic in ("image", "odometry", "objects", "collision") and lacking[sender] > 0:
            lacking[sender] -= 1
        else:
            heard.append((topic, message))
    if {"image", "odometry", "objects", "replay"} <= {topic for topic, _ in heard}:
        examine(drive, mixed(heard, random))


@pytest.mark.parametrize("late", [0, 3, 6])
def test_a_simulator_killed_in_its_first_episode_whose_successor_starts_later(late: int) -> None:
    """The stamps go on as if it were one clock."""
    drive = Drive(settings(run__steps=60))
    drive.restart(now_ns=10**9)
    drive.reset()
    for _ in range(9):
        drive.frame()
    drive.restart(now_ns=10**9 + late * FRAME_NS)
    drive.episode()
    examine(drive, drive.heard)
    for lost in range(len(drive.heard)):
        if drive.heard[lost][0] != "replay":
            examine(drive, drive.heard[:lost] + drive.heard[lost + 1 :])


@pytest.mark.parametrize("frames", [5, 12])
def test_a_contact_that_the_bag_lacks_changes_no_step(frames: int) -> None:
    """At the twelfth step the time is up, too."""
    drive = driven([(0, [(0, frames, "collision"), (0, 14, "")])])
    assert drive.sent[frames - 1].terminated
    replayed = examine(drive, [heard for heard in drive.heard if heard[0] != "collision"])
    assert replayed.filled == 1


def test_a_bag_that_does_not_say_who_sent_what_is_rebuilt_as_long_as_one_clock_ran() -> None:
    drive = Drive(settings(run__steps=60))
    drive.episode()
    drive.episode()
    for topic, message in drive.heard:
        if topic == "start":
            del message.simulator  # As in a bag of an earlier version.
    bag = SensorBag(drive, told=False)
    assert replay(bag, drive.options).filled == 0  # type: ignore[arg-type]
    drive.restart(now_ns=10**9)
    drive.episode()
    with pytest.raises(BagError, match=r"started anew.*which process sent which message.*--source messages"):
        replay(SensorBag(drive, told=False), drive.options)  # type: ignore[arg-type]
    taken = replay(SensorBag(drive, told=False), drive.options, "messages")  # type: ignore[arg-type]
    assert taken.intake.counters.inserted == len(drive.sent) > 0
    assert taken.comparison is None, "what cannot be told apart is not compared"


def test_a_clock_that_goes_back_within_one_process_is_said() -> None:
    """As where a bridge lives on when its world is loaded anew."""
    drive = Drive(settings(run__steps=60))
    drive.episode()
    drive.restart(now_ns=0)
    drive.life -= 1
    drive.episode()
    with pytest.raises(BagError, match=r"the clock of its simulator went back to .* s.*--source messages"):
        replay(SensorBag(drive), drive.options)  # type: ignore[arg-type]
    taken = replay(SensorBag(drive), drive.options, "messages")  # type: ignore[arg-type]
    assert taken.intake.counters.inserted == len(drive.sent)
