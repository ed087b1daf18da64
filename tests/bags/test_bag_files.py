# SPDX-License-Identifier: Apache-2.0
"""Bags on disk: written, read back, and refused when something is wrong with them."""

from __future__ import annotations

import array
from pathlib import Path
from random import Random

import pytest
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from .recorded_drive import Drive, settings

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from rclpy.serialization import serialize_message

from td3_driving.bags.cli import main
from td3_driving.bags.digest import memory_digest
from td3_driving.bags.reading import Bag, BagError
from td3_driving.bags.replaying import replay
from td3_driving.bags.topics import TOPICS, recorded_topics
from td3_driving.bags.writing import BagWriter, MissingDefinitionError
from td3_driving.driving.experience import Experience
from td3_driving.driving.state_vector import state_dim
from td3_driving.driving.topics import ALL_OBJECTS
from td3_driving.learning.intake import ExperienceIntake
from td3_driving.learning.replay import ReplayMemory
from td3_driving.nodes.ros.conversions import experience_message
from td3_driving.runs.profiles import parameter_file

from .sensor_bag import SensorBag

INSTALLED = [path for path in (Path(__file__).resolve().parents[2] / "install").glob("*") if path.is_dir()]


def dimension(drive: Drive) -> int:
    """Length of the state vector."""
    return state_dim(drive.options.observation)


def write(folder: Path, steps: list[Experience], config: str) -> Path:
    """A bag of what the learner was sent."""
    with BagWriter(folder, {"/td3/replay": "td3_driving_msgs/msg/Experience"}, config, INSTALLED) as bag:
        for number, step in enumerate(steps):
            bag.write("/td3/replay", 10**18 + number, serialize_message(experience_message(step, number)))
    return folder


@pytest.fixture
def drive() -> Drive:
    """Three episodes of twelve steps, in frames of 36x36."""
    made = Drive(settings(replay__on_disk=True))
    for _ in range(3):
        made.episode()
    return made


@pytest.fixture
def bag(tmp_path: Path, drive: Drive) -> Path:
    return write(tmp_path / "bag", drive.sent, parameter_file(drive.options))


def test_a_bag_gives_the_memory_that_the_learner_had(bag: Path, drive: Drive) -> None:
    memory = ReplayMemory(drive.options, dimension(drive), None)
    intake = ExperienceIntake(drive.options, dimension(drive), memory)
    for step in drive.sent:
        assert intake.accept(step).inserted
    with Bag(bag) as opened:
        assert opened.settings() == drive.options
        replayed = replay(opened, opened.settings())
    assert (replayed.source, replayed.memory.inserted, replayed.comparison) == ("messages", 36, None)
    assert memory_digest(replayed.memory) == memory_digest(memory)


def test_a_message_lost_on_the_way_is_lost_to_both(tmp_path: Path, drive: Drive) -> None:
    """Without step 5 of the first episode, steps 4 (no successor), 5, 6 and 7 (no whole stack of 3) are gone."""
    arrived = drive.sent[:5] + drive.sent[6:]
    with Bag(write(tmp_path / "bag", arrived, parameter_file(drive.options))) as opened:
        replayed = replay(opened, drive.options)
    assert (replayed.intake.counters.lost, replayed.intake.counters.received) == (1, 35)
    assert replayed.memory.sampleable == 36 - 4


@pytest.mark.parametrize("place", [-1, 0, 4, 20])
@pytest.mark.parametrize("topic", ["image", "odometry", "command", "reward"])
def test_messages_fill_in_for_frames_that_the_bag_lacks(drive: Drive, topic: str, place: int) -> None:
    lost = [index for index, heard in enumerate(drive.heard) if heard[0] == topic][place] if place >= 0 else -1
    heard = [message for index, message in enumerate(drive.heard) if index != lost]
    whole = replay(SensorBag(drive), drive.options, "messages")  # type: ignore[arg-type]
    filled = replay(SensorBag(drive, heard), drive.options)  # type: ignore[arg-type]
    assert filled.source == "sensors"
    assert (filled.filled > 0) == (lost >= 0)
    assert filled.intake.counters == whole.intake.counters
    assert memory_digest(filled.memory) == memory_digest(whole.memory)
    assert filled.comparison is not None
    assert (filled.comparison.different, filled.comparison.equal) == ([], 36 - filled.filled)


def test_either_object_list_will_do_and_one_there_must_be(drive: Drive) -> None:
    bag = SensorBag(drive, objects=ALL_OBJECTS)
    replayed = replay(bag, drive.options)  # type: ignore[arg-type]
    assert replayed.comparison is not None and (replayed.source, replayed.comparison.equal) == ("sensors", 36)
    without = SensorBag(drive, objects="carla/nothing")
    assert replay(without, drive.options).source == "messages"  # type: ignore[arg-type]
    with pytest.raises(BagError, match="holds no messages on carla/ego_vehicle/objects"):
        replay(without, drive.options, "sensors")  # type: ignore[arg-type]


def test_a_bag_of_a_run_before_there_were_two_observations_is_refused(
    tmp_path: Path, drive: Drive, capsys: pytest.CaptureFixture[str]
) -> None:
    config = parameter_file(drive.options).replace("      state: sensors\n", "")
    assert main([str(write(tmp_path / "bag", drive.sent, config))]) == 2
    said = capsys.readouterr().err
    assert "has no observation.state" in said and said.count("\n") == 1
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "config.yaml").write_text(config)
    bag = write(tmp_path / "sound", drive.sent, parameter_file(drive.options))
    assert main([str(bag), "--against", str(tmp_path / "old")]) == 2
    said = capsys.readouterr().err
    assert "has no observation.state" in said and said.count("\n") == 1


def test_one_changed_pixel_changes_the_digest(drive: Drive) -> None:
    digests = []
    for change in (0, 1):
        memory = ReplayMemory(drive.options, dimension(drive), None)
        intake = ExperienceIntake(drive.options, dimension(drive), memory)
        drive.sent[20].frame[3, 4] ^= change
        for step in drive.sent:
            intake.accept(step)
        digests.append(memory_digest(memory))
    assert digests[0] != digests[1]


def test_a_memory_is_filled_to_train_on(
    bag: Path, tmp_path: Path, drive: Drive, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "filled"
    assert main([str(bag), "--into", str(run)]) == 0
    assert "36 steps" in capsys.readouterr().out
    assert ReplayMemory(drive.options, dimension(drive), run / "replay").sampleable == 36
    assert main([str(bag), "--against", str(run)]) == 0
    assert "equal" in capsys.readouterr().out
    assert main([str(bag), "--into", str(run)]) == 2
    assert "is not empty" in capsys.readouterr().err


def test_another_memory_is_told_apart(bag: Path, tmp_path: Path, drive: Drive) -> None:
    drive.sent[7].frame[0, 0] ^= 1
    other = write(tmp_path / "other", drive.sent, parameter_file(drive.options))
    assert main([str(bag), "--into", str(tmp_path / "filled")]) == 0
    assert main([str(other), "--against", str(tmp_path / "filled")]) == 1


def test_foreign_and_missing_bags_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = get_typestore(Stores.ROS2_HUMBLE)
    with Writer(tmp_path / "foreign", version=9) as writer:
        connection = writer.add_connection("/chatter", "std_msgs/msg/String", typestore=store)
        message = store.types["std_msgs/msg/String"](data="x")
        writer.write(connection, 0, store.serialize_cdr(message, "std_msgs/msg/String"))
    (tmp_path / "empty").mkdir()
    for name, reason in (("foreign", "no configuration"), ("empty", "holds no bag"), ("nowhere", "does not exist")):
        assert main([str(tmp_path / name)]) == 2
        said = capsys.readouterr().err
        assert (reason in said, said.startswith("error: "), said.count("\n")) == (True, True, 1)


def test_a_bag_from_before_the_terms_had_names_says_so(tmp_path: Path) -> None:
    types, name = get_typestore(Stores.ROS2_HUMBLE), "td3_driving_msgs/msg/Experience"
    types.register(get_types_from_msg("float64 reward\nfloat64[5] reward_parts\n", name))
    with Writer(tmp_path / "bag", version=9) as writer:
        writer.add_connection("/td3/replay", name, typestore=types)
    with pytest.raises(BagError, match=r"recorded when the reward had five fixed parts \(Experience\.reward_parts\)"):
        Bag(tmp_path / "bag")


def test_a_topic_of_another_type_is_refused(tmp_path: Path, drive: Drive) -> None:
    kinds = {"/td3/replay": "std_msgs/msg/String"}
    with BagWriter(tmp_path / "bag", kinds, parameter_file(drive.options), INSTALLED):
        pass
    with Bag(tmp_path / "bag") as opened, pytest.raises(BagError, match="std_msgs/msg/String, not td3_driving_msgs"):
        replay(opened, drive.options)


def test_messages_that_lie_about_their_size_are_refused(tmp_path: Path, drive: Drive) -> None:
    message = experience_message(drive.sent[0], 0)
    message.frame_height, message.frame = 65535, array.array("B", bytes(10))
    with BagWriter(
        tmp_path / "bag", {"/td3/replay": "td3_driving_msgs/msg/Experience"}, parameter_file(drive.options), INSTALLED
    ) as bag:
        bag.write("/td3/replay", 1, serialize_message(message))
    with Bag(tmp_path / "bag") as opened:
        replayed = replay(opened, drive.options)
    assert (replayed.intake.counters.rejected, replayed.memory.inserted) == (1, 0)


def test_bytes_that_are_no_message_cost_no_other_and_are_said(
    tmp_path: Path, drive: Drive, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = {"/td3/replay": "td3_driving_msgs/msg/Experience"}
    with BagWriter(tmp_path / "bag", kinds, parameter_file(drive.options), INSTALLED) as bag:
        for number, step in enumerate(drive.sent):
            bag.write("/td3/replay", 10**18 + 2 * number, serialize_message(experience_message(step, number)))
            if number in (3, 8):
                bag.write("/td3/replay", 10**18 + 2 * number + 1, b"\xff" * 60)
    assert main([str(tmp_path / "bag")]) == 0
    said = capsys.readouterr().out
    assert "rebuilt   36 steps" in said and "account   0 lost, 0 rejected" in said
    assert "are damaged or none of the run were left out: 2 on /td3/replay" in said


@pytest.mark.parametrize("seed", range(12))
def test_damaged_bags_are_one_sentence(bag: Path, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Cut off, overwritten in places, in the messages or in the description."""
    random = Random(seed)
    file = bag / ("metadata.yaml" if seed % 3 == 0 else "bag.mcap")
    content = bytearray(file.read_bytes())
    if seed % 2:
        content = content[: random.randrange(len(content))]
    for _ in range(20 if content else 0):
        content[random.randrange(len(content))] = random.randrange(256)
    file.write_bytes(content)
    code = main([str(bag)])
    said = capsys.readouterr().err
    assert code in (0, 1, 2)
    assert code != 2 or (said.startswith("error: ") and said.count("\n") == 1)


def test_a_bag_keeps_who_sent_what(bag: Path, tmp_path: Path, drive: Drive) -> None:
    """Also where the clock of the machine goes back while the bag is written."""
    senders = [b"process one."] * 2 + [b"process two."] * 3
    config, kinds = parameter_file(drive.options), {"/td3/replay": "td3_driving_msgs/msg/Experience"}
    with BagWriter(tmp_path / "told", kinds, config, INSTALLED) as writer:
        for number, sender in enumerate(senders):
            data = serialize_message(experience_message(drive.sent[number], number))
            writer.write("/td3/replay", 10**18 - number, data, sender)
    with Bag(tmp_path / "told") as opened:
        found = [(heard.message.sequence, heard.process) for heard in opened.messages({"td3/replay"})]
        assert opened.told and found == list(enumerate(senders))
    with Bag(bag) as opened:
        assert not opened.told


def test_definitions_must_be_installed(tmp_path: Path) -> None:
    with pytest.raises(MissingDefinitionError, match="no definition of td3_driving_msgs/msg/Experience is installed"):
        BagWriter(tmp_path / "bag", {"/x": "td3_driving_msgs/msg/Experience"}, "", [])


def test_every_recorded_topic_has_a_definition(tmp_path: Path) -> None:
    kinds = {name: topic.kind for name, topic in recorded_topics(1)}
    latched = {name for name, topic in recorded_topics(1) if topic.latched}
    with BagWriter(tmp_path / "bag", kinds, "", INSTALLED, latched):
        pass
    with AnyReader([tmp_path / "bag"]) as reader:
        noted = {entry.topic for entry in reader.connections if entry.ext.offered_qos_profiles[0].durability.value == 1}
    assert noted == latched >= {"/td3/replay", "/carla/ego_vehicle/vehicle_info"}


def test_several_actors_share_what_the_learner_hears() -> None:
    names = {name for name, _ in recorded_topics(2)}
    assert {"/td3/replay", "/actor_0/carla/ego_vehicle/odometry", "/actor_1/carla/ego_vehicle/odometry"} <= names
    assert "/carla/ego_vehicle/odometry" not in names
    assert len(names) == sum(1 if topic.shared else 2 for topic in TOPICS)
