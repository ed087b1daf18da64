# SPDX-License-Identifier: Apache-2.0
"""Whole training runs: every process real, every message over DDS."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

import yaml
from derived_object_msgs.msg import ObjectArray
from nav_msgs.msg import Odometry
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from safetensors.numpy import load_file
from td3_driving_msgs.msg import EpisodeStart, Experience

from td3_driving.driving.decoding import experience, nanoseconds, vehicle_state
from td3_driving.driving.drivers import Situation
from td3_driving.driving.object_list import neighbours_of, without
from td3_driving.driving.privileged import encode_privileged
from td3_driving.driving.route import Route
from td3_driving.driving.teacher import make_teacher
from td3_driving.driving.topics import OBJECTS, ODOMETRY, REPLAY
from td3_driving.nodes.ros import qos
from td3_driving.runs.profiles import load_profile
from td3_driving.settings_reward import TERMS

from ..run_harness import SMALL, Ear, Run, reopen

NAMES = tuple(term.name for term in TERMS)
TOPICS = {
    "/td3/replay": ("td3_driving_msgs/msg/Experience", True),
    "/td3/policy_weights": ("td3_driving_msgs/msg/PolicyWeights", True),
    "/td3/learner_status": ("td3_driving_msgs/msg/LearnerStatus", False),
    "/td3/reward": ("td3_driving_msgs/msg/RewardTerms", False),
    "/td3/episode": ("td3_driving_msgs/msg/EpisodeSummary", False),
    "/td3/markers": ("visualization_msgs/msg/MarkerArray", False),
    "/diagnostics": ("diagnostic_msgs/msg/DiagnosticArray", False),
    "/clock": ("rosgraph_msgs/msg/Clock", False),
    "/carla/ego_vehicle/rgb_front/image": ("sensor_msgs/msg/Image", False),
    "/carla/ego_vehicle/odometry": ("nav_msgs/msg/Odometry", False),
    "/carla/ego_vehicle/waypoints": ("nav_msgs/msg/Path", True),
    "/carla/ego_vehicle/vehicle_control_cmd": ("carla_msgs/msg/CarlaEgoVehicleControl", False),
}
"""Topic -> type, and whether it is latched."""
STATUSES = {
    "policy: frame sync",
    "learner: q health",
    "learner: gradients",
    "learner: replay",
    "reward: ledger",
    "environment: liveness",
    "config: honoured",
    "run: files",
}
TAGS = {
    *(f"reward/{name}" for name in (*NAMES, "total")),
    *(
        f"train/{name}"
        for name in (
            "actor_loss",
            "critic_loss",
            "q1_value",
            "q2_value",
            "episode_reward",
            "episode_length",
            "exploration_noise",
            "collisions_per_episode",
            "lane_invasions_per_episode",
        )
    ),
    *(
        f"debug/{name}"
        for name in (
            "q1_pred_mean",
            "q2_pred_mean",
            "target_q_mean",
            "overestimation",
            "q1_for_actor_mean",
            "q1_for_actor_max",
            "q1_for_actor_min",
            "reward_mean",
            "reward_std",
            "reward_min",
            "reward_max",
            "done_ratio",
            "td_error",
        )
    ),
    *(f"gradients/{part}_norm" for part in ("actor_cnn", "actor_mlp", "critic_mlp")),
    *(
        f"gradients/{net}_{what}"
        for net in ("actor", "critic")
        for what in ("norm_pre_clip", "norm_post_clip", "clip_share")
    ),
    *(
        f"agent/{part}_{what}"
        for part in ("actor", "critic", "actor_cnn")
        for what in ("lr", "param_mean", "param_std")
    ),
    *(f"agent/{name}" for name in ("total_iterations", "updates_per_step", "is_training", "buffer_utilization")),
    *(f"action/{axis}_{what}" for axis in ("steer", "throttle") for what in ("mean", "std")),
    "action/saturated_share",
    *(
        f"progress/{name}"
        for name in ("buffer_size", "current_reward", "episode_steps", "speed_kmh", "steps_per_second")
    ),
}


PRIVILEGED_TAGS, CAMERA_TAGS = (
    {"debug/imitation_loss"},
    {"gradients/critic_cnn_norm", *(f"agent/critic_cnn_{what}" for what in ("lr", "param_mean", "param_std"))},
)
"""What a critic with a teacher beside it has and one that looks through the camera has not, and the other way round."""
TAUGHT: dict[str, object] = {"learning.teacher": "idm", "network.critic": "privileged"}


def balanced(ear: Ear) -> bool:
    """Whether the newest account of the learner adds up."""
    newest = ear.accounts[-1]
    return bool(newest.received == newest.inserted + newest.duplicate + newest.rejected)


def test_a_run_shows_itself_and_leaves_everything_behind(tmp_path: Path, domain_id: int) -> None:
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, TAUGHT) as run:
        run.meet(ear)
        run.until(lambda: len(ear.accounts) > 0 and ear.step > 150, "step 150", ear)
        graph = dict(ear.node.get_topic_names_and_types())
        for topic, (kind, latched) in TOPICS.items():
            assert graph[topic] == [kind], topic
            profile = ear.node.get_publishers_info_by_topic(topic)[0].qos_profile
            assert profile.reliability == ReliabilityPolicy.RELIABLE, topic
            durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
            assert profile.durability == durability, topic
        run.until(lambda: set(ear.statuses) >= STATUSES, "every status on /diagnostics", ear)
        assert run.wait(ear) == 0, run.output[-4000:]
        assert [reward.step for reward in ear.rewards] == list(range(ear.rewards[0].step, 301))
        stamps = [(reward.header.stamp.sec, reward.header.stamp.nanosec) for reward in ear.rewards]
        assert len(set(stamps)) == len(stamps), "a frame was scored twice"
        for reward in ear.rewards:
            assert tuple(reward.names) == NAMES
            assert abs(sum(reward.values) - reward.total) <= 1e-6
            assert reward.total_min <= reward.total <= reward.total_max
        assert balanced(ear)
    series = run.series()
    assert set(series) >= TAGS | PRIVILEGED_TAGS, sorted((TAGS | PRIVILEGED_TAGS) - set(series))
    assert not set(series) & CAMERA_TAGS
    assert series["agent/total_iterations"][-1] == (300, 100.0)
    assert [step for step, _ in series["train/critic_loss"]] == [150, 200, 250, 300]
    assert series["run/finished"] == [(300, 1.0)]
    parameters = yaml.safe_load((run.folder / "config.yaml").read_text())["/**"]["ros__parameters"]
    assert parameters["run"]["steps"] == 300
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert manifest["config_hash"] == load_profile(run.folder / "config.yaml").digest()
    assert list((run.folder / "checkpoints").rglob("*.safetensors"))
    assert (run.folder.parent / "latest").resolve() == run.folder.resolve()
    assert reopen(run).inserted == 300


@pytest.mark.parametrize(
    ("lead", "changes"), [(0, {"network.critic": "camera"}), (1, {**TAUGHT, "simulator.vehicles": 20})]
)
def test_two_strict_runs_of_one_seed_are_equal_to_the_bit(
    tmp_path: Path, domain_id: int, lead: int, changes: dict[str, object]
) -> None:
    seen = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        with Run(tmp_path / name, domain_id, {"run.seed": 1, "pacing.lead": lead, **changes}) as run:
            assert run.wait() == 0, run.output[-4000:]
        series = {tag: points for tag, points in run.series().items() if tag.startswith(("train/", "debug/"))}
        weights = load_file(next((run.folder / "checkpoints" / "latest").rglob("*.safetensors")))
        seen.append((series, {key: hashlib.sha256(value.tobytes()).hexdigest() for key, value in weights.items()}))
    assert len(seen[0][0]) > 20 and len(seen[0][1]) > 10
    assert seen[0][0] == seen[1][0]
    assert seen[0][1] == seen[1][1]
    assert set(seen[0][0]) >= PRIVILEGED_TAGS if changes.items() >= TAUGHT.items() else True


def test_the_learner_is_sent_what_the_objects_of_the_frame_say(tmp_path: Path, domain_id: int) -> None:
    """The privileged vector and the teacher's action of a step, from what a listener hears of its frame."""
    heard: dict[str, dict[int, Any]] = {topic: {} for topic in (REPLAY, OBJECTS, ODOMETRY)}
    starts: list[EpisodeStart] = []
    kinds = {REPLAY: Experience, OBJECTS: ObjectArray, ODOMETRY: Odometry}
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, {**TAUGHT, "run.steps": 150}) as run:
        for topic, kind in kinds.items():
            profile = qos.RECORDER_LATCHED if topic == REPLAY else qos.RECORDER
            ear.node.create_subscription(kind, f"/{topic}", keep(heard[topic]), profile)
        ear.node.create_subscription(EpisodeStart, "/td3/episode_start", starts.append, qos.EPISODE_START)
        run.meet(ear)
        assert run.wait(ear) == 0, run.output[-4000:]
    settings = load_profile(run.folder / "config.yaml")
    teacher = make_teacher(settings)
    assert teacher is not None
    routes = {start.episode_id: Route(np.column_stack((start.route_x, start.route_y))) for start in starts}
    actions = {(sent.episode_id, sent.step_index): sent.action for sent in heard[REPLAY].values()}
    whole = sorted(heard[REPLAY].keys() & heard[OBJECTS].keys() & heard[ODOMETRY].keys())
    assert len(whole) > 30, "too little was heard to compare"
    seen = 0
    for stamp in whole:
        sent, vehicle = experience(heard[REPLAY][stamp]), vehicle_state(heard[ODOMETRY][stamp])
        others, route = without(vehicle, neighbours_of(heard[OBJECTS][stamp])), routes[sent.episode_id]
        before = actions.get((sent.episode_id, sent.step_index - 1), np.zeros(2))
        place = route.locate(vehicle)
        situation = Situation(vehicle, place, route, others)
        expected = encode_privileged(situation, np.asarray(before, dtype=np.float32))
        assert sent.privileged.tobytes() == expected.tobytes()
        shown = teacher.act(situation)
        assert sent.teacher_action is not None and sent.teacher_action.tobytes() == shown.tobytes()
        seen += len(others.x)
    assert seen > 0, "there was nobody to be told of"


def keep(store: dict[int, Any]) -> Callable[[Any], None]:
    """A callback that keeps messages by their stamp [ns]."""
    return lambda message: store.__setitem__(nanoseconds(message.header.stamp), message)


def test_a_killed_learner_and_a_killed_simulator_come_back(tmp_path: Path, domain_id: int) -> None:
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, {"run.steps": 600}) as run:
        run.meet(ear)
        run.until(lambda: ear.step > 150, "step 150", ear)
        learner = run.kill("learner")
        run.until(lambda: run.pid("learner") not in (None, learner), "a new learner", ear)
        run.until(lambda: ear.step > 300, "step 300", ear)
        simulator = run.kill("simulator")
        run.until(lambda: run.pid("simulator") not in (None, simulator), "a new simulator", ear)
        assert run.wait(ear) == 0, run.output[-4000:]
        assert balanced(ear)
        last = ear.accounts[-1]
        assert last.inserted == 600 and last.updates == last.updates_due == 5 * ((600 - 100) // 10)
    memory = reopen(run)
    assert memory.inserted == 600
    assert "SIGKILL" in run.output


def test_a_killed_policy_ends_the_run_with_its_name_and_leaves_the_memory(tmp_path: Path, domain_id: int) -> None:
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, {"run.steps": 5000}) as run:
        run.until(lambda: ear.step > 150, "step 150", ear)
        run.kill("policy")
        assert run.wait(ear) == 1
        assert "policy ended the run (killed by SIGKILL)" in run.output
    inserted = reopen(run).inserted
    assert inserted >= 100
    with Run(tmp_path, domain_id, {"run.steps": inserted + 100}, "--resume") as again:
        assert again.wait() == 0, again.output[-4000:]
    assert reopen(again).inserted == inserted + 100


def test_ctrl_c_stops_every_process_and_judges_what_there_is(tmp_path: Path, domain_id: int) -> None:
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, {"run.steps": 100_000}) as run:
        run.until(lambda: bool(ear.accounts) and ear.accounts[-1].updates > 0, "an update", ear)
        assert run.stop() == 130
        assert all(run.pid(name) is None for name in ("policy", "learner", "simulator", "diagnostics"))
        assert "Traceback" not in run.output
    report = json.loads((run.folder / "report.json").read_text())
    assert report["verdict"] == "INSUFFICIENT"
    assert "of 100,000" in (run.folder / "report.md").read_text() and (run.folder / "report.html").is_file()


def test_bad_data_cuts_the_episode_and_never_reaches_the_memory(tmp_path: Path, domain_id: int) -> None:
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, None, "--faults", "nan_odometry@150 drop@220") as run:
        run.meet(ear)
        run.until(lambda: ear.step > 240, "step 240", ear)
        run.until(lambda: ear.statuses["policy: frame sync"].level == b"\x01", "the warning", ear)
        assert run.wait(ear) == 0, run.output[-4000:]
        assert balanced(ear) and ear.accounts[-1].rejected == 0
    assert run.output.count("episode cut") == 2 and "Traceback" not in run.output


@pytest.mark.parametrize("shared", [1, 2])
def test_two_actors_feed_one_learner(tmp_path: Path, domain_id: int, shared: int) -> None:
    changes = {"run.num_actors": 2, "run.actors_per_process": shared}
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, changes) as run:
        run.meet(ear)
        both = {"actor_0", "actor_1"}
        run.until(lambda: {reward.actor_id for reward in ear.rewards} == both, "both actors", ear)
        own = "/actor_1/carla/ego_vehicle/rgb_front/image"
        run.until(lambda: own in dict(ear.node.get_topic_names_and_types()), "the second actor's own camera", ear)
        assert run.wait(ear) == 0, run.output[-4000:]
        assert balanced(ear) and ear.accounts[-1].inserted == SMALL["run.steps"]
    assert {reward.actor_id: reward.step for reward in ear.rewards} == dict.fromkeys(both, 150)
