"""Bags of the topics ``/td3/*``, written with the message definitions of this project."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from td3_driving.doctor.cli import main
from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.examine import examine
from td3_driving.doctor.run import find_run

rosbag2 = pytest.importorskip("rosbags.rosbag2")
typesys = pytest.importorskip("rosbags.typesys")

MESSAGES = Path(__file__).resolve().parents[2] / "src/td3_driving_msgs/msg"
NAMES = ("RewardComponents", "EpisodeSummary", "LearnerStatus")


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
    numpy = pytest.importorskip("numpy")
    defaults = {}
    for field, annotation in kind.__annotations__.items():
        text = str(annotation)
        if "ndarray" in text:
            defaults[field] = numpy.zeros(
                5 if field == "return_parts" else 2, numpy.float64 if field == "return_parts" else numpy.float32
            )
        else:
            defaults[field] = "" if "str" in text and "list" not in text else 0
    fields = {**defaults, "header": header, **values}
    return kind(**{field: fields[field] for field in kind.__annotations__ if not field.startswith("__")})


@pytest.fixture(params=["SQLITE3", "MCAP"])
def bag(request, tmp_path, store):
    """A bag with two steps, one episode and one log point."""
    numpy = pytest.importorskip("numpy")
    path = tmp_path / "bag"
    plugin = getattr(rosbag2.StoragePlugin, request.param)
    messages = [
        filled(store, "RewardComponents", actor_id="a", step=1, total=0.25, progress=0.25, speed=2.0),
        filled(store, "RewardComponents", actor_id="b", step=1, total=0.5, progress=0.5, speed=3.0),
        filled(store, "EpisodeSummary", actor_id="a", step=2, length=2, episode_return=7.5),
        filled(store, "LearnerStatus", log_point=True, inserted=3, tags=["train/q1_value"], values=numpy.array([1.5])),
        filled(store, "LearnerStatus", log_point=False, inserted=4, tags=["train/q1_value"], values=numpy.array([9.5])),
    ]
    with rosbag2.Writer(path, version=9, storage_plugin=plugin) as writer:
        connections = {}
        for second, message in enumerate(messages):
            kind = message.__msgtype__
            if kind not in connections:
                connections[kind] = writer.add_connection(f"/td3/{len(connections)}", kind, typestore=store)
            writer.write(connections[kind], second * 10**9, store.serialize_cdr(message, kind))
    return path


def test_messages_become_series(bag):
    samples = list(find_run(bag).samples())
    values = {(sample.tag, sample.step): sample.value for sample in samples}
    assert values["reward/total", 1] == 0.25
    assert values["progress/speed_kmh", 1] == pytest.approx(7.2)
    # The second actor's first step is the run's second.
    assert values["reward/total", 2] == 0.5
    assert values["train/episode_reward", 3] == 7.5
    assert values["train/q1_value", 3] == 1.5
    assert ("train/q1_value", 4) not in values
    assert samples[-1].wall == 3.0


def test_a_bag_is_judged_like_any_run(bag):
    assert examine(bag).verdict.value == "INSUFFICIENT"


def test_a_bag_of_something_else(tmp_path, store, capsys):
    with rosbag2.Writer(tmp_path / "bag", version=9) as writer:
        connection = writer.add_connection("/chatter", "std_msgs/msg/String", typestore=store)
        message = store.types["std_msgs/msg/String"](data="x")
        writer.write(connection, 0, store.serialize_cdr(message, "std_msgs/msg/String"))
    with pytest.raises(Unusable, match="holds none of the topics"):
        examine(tmp_path / "bag")
    assert main([str(tmp_path / "bag")]) == 2


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
