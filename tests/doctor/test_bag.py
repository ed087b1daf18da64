# SPDX-License-Identifier: Apache-2.0
"""Bags of the topics ``/td3/*``, written with the message definitions of this project."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
import pytest

from td3_driving.doctor import messages
from td3_driving.doctor.cli import main
from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.examine import examine
from td3_driving.doctor.report_json import json_report
from td3_driving.doctor.run import find_run

rosbag2 = pytest.importorskip("rosbags.rosbag2")
typesys = pytest.importorskip("rosbags.typesys")

MESSAGES = Path(__file__).resolve().parents[2] / "src/td3_driving_msgs/msg"
NAMES = ("RewardTerms", "EpisodeSummary", "EvaluationSummary", "LearnerStatus", "Refusals")


@pytest.fixture
def store():
    """Message types of this project beside those of ROS 2."""
    types = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
    for name in NAMES:
        definition = (MESSAGES / f"{name}.msg").read_text()
        types.register(typesys.get_types_from_msg(definition, f"td3_driving_msgs/msg/{name}"))
    return types


def filled(types, name, **values):
    """A message whose other fields are zero or empty."""
    kind = types.types[f"td3_driving_msgs/msg/{name}"]
    time = types.types["builtin_interfaces/msg/Time"](sec=0, nanosec=0)
    header = types.types["std_msgs/msg/Header"](stamp=time, frame_id="")
    defaults = {}
    for field, annotation in kind.__annotations__.items():
        text = str(annotation)
        if field == "mac":
            defaults[field] = np.zeros(4, np.uint32)
        elif "ndarray" in text:
            defaults[field] = np.zeros(2, np.float32 if field == "action" else np.float64)
        else:
            defaults[field] = [] if "list" in text else "" if "str" in text else 0
    fields = {**defaults, "header": header, **values}
    return kind(**{field: fields[field] for field in kind.__annotations__ if not field.startswith("__")})


def write_bag(path, store, messages, plugin="MCAP", config=""):
    """A bag with ``messages``, one a second, each topic named by its type."""
    with rosbag2.Writer(path, version=9, storage_plugin=getattr(rosbag2.StoragePlugin, plugin)) as writer:
        if config:
            writer.set_custom_data("td3_driving/config.yaml", config)
        connections = {}
        for second, message in enumerate(messages):
            kind = message.__msgtype__
            if kind not in connections:
                connections[kind] = writer.add_connection(f"/td3/{len(connections)}", kind, typestore=store)
            writer.write(connections[kind], second * 10**9, store.serialize_cdr(message, kind))
    return path


def step_of(store, number, actor="a", progress=0.0, **values):
    """A scored step with two terms, one of them of somebody's own."""
    terms = {"names": ["progress", "headway"], "values": np.array([progress, 0.0])}
    return filled(store, "RewardTerms", actor_id=actor, step=number, **terms, **values)


@pytest.fixture(params=["SQLITE3", "MCAP"])
def bag(request, tmp_path, store):
    """A bag of two actors with four steps, one episode, one evaluation and one log point, and an end."""
    learned = {"tags": ["train/q1_value"], "values": np.array([1.5]), "log_point": True}
    driven = {"length": 2, "episode_return": 7.5, "exit_reason": 1, "route_completion": 0.25, "mean_speed": 3.0}
    scores = {"tags": ["eval/driving_score"], "values": np.array([62.0]), "best": True}
    messages = [
        step_of(store, 1, total=0.25, progress=0.25, speed=2.0),
        step_of(store, 1, "b", total=0.5, progress=0.25, step_index=6, speed=3.0),
        filled(store, "EpisodeSummary", actor_id="a", step=2, **driven),
        filled(store, "LearnerStatus", inserted=2, **learned),
        filled(store, "LearnerStatus", inserted=2, **{**learned, "log_point": False, "values": np.array([9.5])}),
        filled(store, "EvaluationSummary", actor_id="a", step=1, tags=[], values=np.zeros(0)),
        filled(store, "EvaluationSummary", actor_id="a", step=1, **scores),
        step_of(store, 2, total=1.0, progress=1.0, speed=4.0),
        step_of(store, 2, "b", total=2.0, progress=2.0, speed=5.0),
        filled(store, "LearnerStatus", inserted=4, state=3, tags=[], values=np.zeros(0)),
        filled(store, "LearnerStatus", inserted=4, state=3, tags=[], values=np.zeros(0)),
    ]
    return write_bag(tmp_path / "bag", store, messages, request.param, "run: {log_period: 2, steps: 4}\n")


def test_messages_become_the_series_that_the_diagnostics_write(bag):
    samples = list(find_run(bag).samples())
    values = {(sample.tag, sample.step): sample.value for sample in samples}
    # Means over two steps of the run, one of each actor.
    assert values["reward/total", 2] == 0.375 and values["reward/total", 4] == 1.5
    assert values["reward/progress", 4] == 1.5 and values["reward/headway", 4] == 0.0
    # The second step of the run says 0.5 where its terms sum up to 0.25.
    assert values["reward/ledger_breaks", 2] == values["reward/ledger_breaks", 4] == 1.0
    assert values["progress/speed_kmh", 2] == pytest.approx(10.8) and values["progress/episode_steps", 2] == 7.0
    # Four steps in 8 s.
    assert values["progress/steps_per_second", 4] == pytest.approx(2 / 7)
    episode = {tag: value for (tag, step), value in values.items() if step == 3}
    assert episode["train/episode_reward"] == 7.5 and episode["episode/exit_reason"] == 1.0
    assert episode["episode/route_completion"] == 0.25 and episode["episode/mean_speed"] == 3.0
    assert values["eval/driving_score", 2] == 62.0 and values["eval/best", 2] == 1.0
    assert [sample.value for sample in samples if sample.tag == "train/q1_value"] == [1.5]
    assert [(sample.step, sample.value) for sample in samples if sample.tag == "run/finished"] == [(4, 1.0)]
    assert samples[-1].wall == 9.0


GARBAGE = (b"", b"\x00", b"\xff" * 40, b"\x00\x01\x00\x00" + b"\xff" * 60)


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize("plugin", ["SQLITE3", "MCAP"])
def test_bytes_that_are_no_message_cost_no_other_and_are_said(tmp_path, store, plugin, garbage):
    """Anybody on the domain can publish them, and the recorder keeps them."""
    path, kind = tmp_path / "bag", "td3_driving_msgs/msg/RewardTerms"
    with rosbag2.Writer(path, version=9, storage_plugin=getattr(rosbag2.StoragePlugin, plugin)) as writer:
        topic = writer.add_connection("/td3/reward", kind, typestore=store)
        for second in range(20):
            step = step_of(store, second, total=0.5, progress=0.5)
            writer.write(topic, second * 10**9, garbage if second == 7 else store.serialize_cdr(step, kind))
    run = find_run(path)
    assert sum(sample.tag == "reward/total" for sample in run.samples()) >= 1
    diagnosis = examine(path)
    assert diagnosis.verdict.value != "GO"
    assert "damaged or none of the run were left out: 1 on /td3/reward" in json_report(diagnosis)


def test_a_step_with_other_terms_costs_no_other_and_is_said(tmp_path, store):
    strange = filled(store, "RewardTerms", actor_id="a", step=3, names=["headway"], values=np.array([1000.0]))
    steps = [step_of(store, number, total=0.5, progress=0.5) for number in range(1, 9)]
    path = write_bag(
        tmp_path / "bag", store, [*steps[:3], strange, *steps[3:]], config="run: {log_period: 4, steps: 8}\n"
    )
    samples = list(find_run(path).samples())
    assert [(one.step, one.value) for one in samples if one.tag == "reward/progress"] == [(4, 0.5), (8, 0.5)]
    assert "none of the run were left out: 1 on /td3/0" in json_report(examine(path))


@pytest.mark.filterwarnings("error")
def test_the_largest_numbers_there_are_make_no_warning(tmp_path, store):
    """Anybody on the domain can send them."""
    messages = []
    for number in range(1, 200):
        messages.append(step_of(store, number, total=0.5, progress=0.5, speed=3.0))
        if number % 5 == 0:
            extreme = 1.7e308 if number > 100 else 0.0
            messages.append(filled(store, "EpisodeSummary", actor_id="a", step=number, episode_return=extreme))
    bag = write_bag(tmp_path / "bag", store, messages, config="run: {log_period: 4, steps: 200}\n")
    assert "curve" in json_report(examine(bag))


def test_a_bag_of_nothing_but_such_bytes_is_refused(tmp_path, store):
    path, kind = tmp_path / "bag", "td3_driving_msgs/msg/RewardTerms"
    with rosbag2.Writer(path, version=9, storage_plugin=rosbag2.StoragePlugin.MCAP) as writer:
        topic = writer.add_connection("/td3/reward", kind, typestore=store)
        writer.write(topic, 10**9, b"\xff" * 40)
    with pytest.raises(Unusable, match="left out: 1 on /td3/reward"):
        examine(path)


def test_the_configuration_comes_with_the_bag(bag):
    run = find_run(bag)
    assert run.config["run.steps"] == 4 and run.name.endswith("/bag")


def test_a_bag_is_judged_like_any_run(bag):
    diagnosis = examine(bag)
    assert diagnosis.verdict.value == "NO-GO"
    assert diagnosis.finding("reward-ledger").evidence == "the terms miss the total at 1 steps"


def test_a_start_from_standstill_is_no_dead_environment(tmp_path, store):
    """Every episode of 40 steps begins with five samples of speed 0 and the same reward."""
    moving = {"total": 1.0, "progress": 1.0, "speed": 5.0}
    messages = [step_of(store, number, **(moving if number % 40 >= 5 else {})) for number in range(400)]
    assert examine(write_bag(tmp_path / "bag", store, messages)).finding("dead-environment") is None
    stuck = [step_of(store, number, **(moving if number < 40 else {})) for number in range(400)]
    assert examine(write_bag(tmp_path / "stuck", store, stuck)).finding("dead-environment") is not None


def test_every_field_that_is_read_is_in_the_message(store):
    """The state that ends a run, and the fields of the map, are those of the message definitions."""
    status = (MESSAGES / "LearnerStatus.msg").read_text()
    assert re.search(r"^uint8 FINISHED=(\d)", status, re.MULTILINE)[1] == str(messages.FINISHED)
    text = (MESSAGES / "EpisodeSummary.msg").read_text()
    assert all(re.search(rf"^\w+ {field}\b", text, re.MULTILINE) for field in messages.EPISODE.values())


def test_a_bag_of_something_else(tmp_path, store, capsys):
    with rosbag2.Writer(tmp_path / "bag", version=9) as writer:
        connection = writer.add_connection("/chatter", "std_msgs/msg/String", typestore=store)
        message = store.types["std_msgs/msg/String"](data="x")
        writer.write(connection, 0, store.serialize_cdr(message, "std_msgs/msg/String"))
    with pytest.raises(Unusable, match="holds none of the topics"):
        examine(tmp_path / "bag")
    assert main([str(tmp_path / "bag")]) == 2


def test_a_bag_from_before_the_terms_had_names_says_so(tmp_path, store):
    name = "td3_driving_msgs/msg/RewardComponents"
    store.register(typesys.get_types_from_msg("float64 efficiency\nfloat64 total\n", name))
    with rosbag2.Writer(tmp_path / "bag", version=9) as writer:
        writer.add_connection("/td3/reward", name, typestore=store)
    with pytest.raises(Unusable, match=r"when the reward had five fixed parts \(RewardComponents\)"):
        examine(tmp_path / "bag")


def mcap_of_one_chunk(path, compression, packed, stated):
    """An MCAP file with a header, one chunk and an empty footer."""

    def record(kind, body):
        return bytes([kind]) + struct.pack("<Q", len(body)) + body

    def text(content):
        return struct.pack("<I", len(content)) + content

    chunk = struct.pack("<QQQI", 0, 1, stated, 0) + text(compression) + struct.pack("<Q", len(packed)) + packed
    magic = b"\x89MCAP0\r\n"
    head, foot = record(1, text(b"ros2") + text(b"")), record(2, struct.pack("<QQI", 0, 0, 0))
    path.write_bytes(magic + head + record(6, chunk) + foot + magic)
    return path


@pytest.mark.parametrize("stated", [10, 2**36])
def test_a_chunk_that_swells_is_refused(tmp_path, stated):
    lz4 = pytest.importorskip("lz4.frame")
    packed = lz4.compress(bytes(200 * 2**20))
    assert len(packed) < 2 * 2**20
    with pytest.raises(Unusable, match="unpacks to more than"):
        examine(mcap_of_one_chunk(tmp_path / "a.mcap", b"lz4", packed, stated))


@pytest.mark.parametrize("compression", [b"lz4", b"zstd", b"none"])
def test_a_damaged_chunk_is_refused(tmp_path, compression):
    with pytest.raises(Unusable):
        examine(mcap_of_one_chunk(tmp_path / "a.mcap", compression, b"not packed", 10))
