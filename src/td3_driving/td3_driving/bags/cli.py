# SPDX-License-Identifier: Apache-2.0
"""``td3-driving replay BAG``: rebuilds the steps of a recorded run and compares them with what the learner received."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from td3_driving.bags.digest import memory_digest
from td3_driving.bags.reading import Bag, BagError, bag_of
from td3_driving.bags.replaying import Comparison, Replayed, replay
from td3_driving.doctor.bag import unreadable
from td3_driving.doctor.command_line import CommandParser
from td3_driving.driving.state_vector import state_dim
from td3_driving.learning.replay import ReplayMemory
from td3_driving.learning.replay_files import ReplayError
from td3_driving.processes.typed import pasted
from td3_driving.runs import run_folder
from td3_driving.runs.refusals import refuse
from td3_driving.settings import Settings, SettingsError

DIFFERENT = 1
"""Exit code when a step is not what the learner got."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Rebuild a bag.

    Returns:
        0: every rebuilt step, and the learner's memory where it is at hand, is equal to the bit; 1: not so; 2: unusable
        input.
    """
    asked = _parser().parse_args(arguments)
    try:
        asked.bag = bag_of(asked.bag)
        with Bag(asked.bag) as bag, ExitStack() as held:
            settings = bag.settings()
            replayed = replay(bag, settings, asked.source, _directory(asked, settings, held))
            if bag.unread:
                print(f"left out  {unreadable(bag.unread, bag.path)}")
            return _report(replayed, asked)
    except (BagError, ReplayError, run_folder.RunFolderError, SettingsError, OSError) as error:
        return refuse(error)


def _directory(asked: argparse.Namespace, settings: Settings, held: ExitStack) -> Path | None:
    """Return the folder of the memory: in a new run folder, or None."""
    if not asked.into:
        return None
    if not settings.replay.on_disk:
        raise BagError("--into needs a run with replay.on_disk: true; this one kept its memory in main memory")
    path = run_folder.folder_for(asked.into, "", 0, datetime.now())
    folder = held.enter_context(run_folder.create(path, settings, datetime.now()))
    return folder.path / "replay"


def _report(replayed: Replayed, asked: argparse.Namespace) -> int:
    counters, memory = replayed.intake.counters, replayed.memory
    origin = "images, odometry and commands" if replayed.source == "sensors" else "the messages to the learner"
    print(f"rebuilt   {counters.inserted - replayed.filled} steps from {origin}")
    if replayed.filled:
        print(f"          {replayed.filled} steps taken from the messages to the learner: their frames are incomplete")
    print(f"account   {counters.lost} lost, {counters.rejected} rejected, {counters.duplicate} duplicate")
    if counters.last_rejection:
        print(f"          last rejection: {counters.last_rejection}")
    digest = memory_digest(memory)
    print(f"memory    {memory.sampleable} transitions can be sampled, digest {digest}")
    good = [counters.rejected == 0]
    if replayed.comparison is not None:
        good.append(_compare(replayed.comparison) and not (asked.strict and replayed.filled))
    learner = _learners_memory(asked)
    if learner is not None:
        good.append(_compare_memory(memory.sampleable, digest, learner))
    if asked.into:
        go_on = pasted("td3-driving", "train", "--resume", "--run", asked.into, "--steps")
        print(f"run       {asked.into} is filled; go on with: {go_on} STEPS")
    return 0 if all(good) else DIFFERENT


def _compare(found: Comparison) -> bool:
    """Print how the sensors and the messages to the learner compare; return whether no step differs."""
    print(f"sent      {len(found.sent)} steps are in the bag as messages to the learner; {found.equal} are equal")
    for what, keys in (
        ("differ", found.different),
        ("were rebuilt, but their messages are not in the bag", found.only_rebuilt),
    ):
        if keys:
            print(f"          {len(keys)} {what}, first: actor {keys[0][0]} step {keys[0][2]}")
    return not found.different


def _learners_memory(asked: argparse.Namespace) -> ReplayMemory | None:
    """Open the recorded learner's memory: the given one, or that of the run folder around the bag."""
    beside = asked.bag.resolve().parent
    if not asked.against and not (beside / "replay" / "header.json").is_file():
        return None
    path = Path(asked.against) if asked.against else beside
    settings = run_folder.earlier_settings(path)
    if not (path / "replay" / "header.json").is_file():
        raise BagError(f"{path} holds no replay memory")
    if settings.learning.learners > 1:
        print(f"learner   its memory is divided among {settings.learning.learners} learners and is not compared")
        return None
    return ReplayMemory(settings, state_dim(settings.observation), path / "replay")


def _compare_memory(transitions: int, digest: str, learner: ReplayMemory) -> bool:
    other = memory_digest(learner)
    verdict = "equal" if other == digest else f"DIFFERENT: {learner.sampleable} transitions, digest {other}"
    print(f"learner   its memory of {learner.sampleable} transitions against these {transitions}: {verdict}")
    return other == digest


def _parser() -> CommandParser:
    parser = CommandParser(
        "td3-driving replay",
        description="Rebuild the steps of a recorded run, compare them with what its learner got, fill a memory.",
    )
    add = parser.add_argument
    add("bag", type=Path, metavar="BAG_OR_RUN", help="folder of a bag, or of a run with one (--record)")
    add("--into", default="", metavar="RUN", help="make a run with these steps in its replay memory, to train on")
    add("--against", default="", metavar="RUN", help="run whose replay memory to compare with (where the bag lies)")
    add("--strict", action="store_true", help="fail also when the bag lacks frames, so that a step is not rebuilt")
    add("--source", choices=("sensors", "messages"), default="", help="what to rebuild from (sensors if recorded)")
    return parser
