# SPDX-License-Identifier: Apache-2.0
"""Logs that are no event files: what each kind holds, made by hand here and worked out by hand."""

from __future__ import annotations

import json
import math
import struct
import zlib

import pytest

from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.examine import examine
from td3_driving.doctor.run import find_run, find_runs
from td3_driving.doctor.run_log import RunLog
from td3_driving.doctor.scalars import Scalar

from .conftest import blob, varint


def read(path):
    """``{tag: [(step, value), …]}`` of the one run at ``path``."""
    return series(find_run(path))


def series(run):
    found = {}
    for sample in run.samples():
        found.setdefault(sample.tag, []).append((sample.step, sample.value))
    return found


def test_stable_baselines_progress_csv(tmp_path):
    (tmp_path / "progress.csv").write_text(
        "train/actor_loss,time/total_timesteps,rollout/ep_rew_mean,time/time_elapsed\n,800,-1200.5,3\n7.5,1600,nan,6\n"
    )
    found = read(tmp_path)
    assert found["train/actor_loss"] == [(1600, 7.5)]
    assert found["rollout/ep_rew_mean"][0] == (800, -1200.5)
    assert math.isnan(found["rollout/ep_rew_mean"][1][1])
    assert set(found) == {"train/actor_loss", "rollout/ep_rew_mean"}


def test_monitor_files_count_steps_and_episodes(tmp_path):
    (tmp_path / "monitor.csv").write_text('#{"t_start": 1000.0, "env_id": "x"}\nr,l,t\n-5.0,200,1.5\n-3.0,100,2.5\n')
    assert read(tmp_path) == {"monitor/r": [(200, -5.0), (300, -3.0)], "monitor/l": [(200, 200.0), (300, 100.0)]}
    assert [sample.wall for sample in find_run(tmp_path).samples()] == [1001.5, 1001.5, 1002.5, 1002.5]


def test_environments_side_by_side_count_together(tmp_path):
    (tmp_path / "0.monitor.csv").write_text('#{"t_start": 0}\nr,l,t\n1,10,1\n3,10,3\n')
    (tmp_path / "1.monitor.csv").write_text('#{"t_start": 0}\nr,l,t\n2,50,2\n')
    assert read(tmp_path)["monitor/r"] == [(10, 1.0), (60, 2.0), (70, 3.0)]


def test_monitor_files_join_the_log_beside_them(tmp_path, write_events):
    (tmp_path / "monitor.csv").write_text("r,l,t\n-5.0,200,1.5\n")
    write_events(tmp_path / "TD3_1" / "events.out.tfevents.1", [Scalar("train/actor_loss", 100, 1.0, 1.0)])
    assert set(read(tmp_path)) == {"monitor/r", "monitor/l", "train/actor_loss"}


def test_spinning_up_progress_txt(tmp_path):
    (tmp_path / "progress.txt").write_text("Epoch\tAverageEpRet\tTotalEnvInteracts\tTime\n1\t-10.0\t4000\t9.5\n")
    (tmp_path / "config.json").write_text('{"gamma": 0.99}')
    assert read(tmp_path) == {"AverageEpRet": [(4000, -10.0)]}


def test_rllib_result_json(tmp_path):
    learner = {"learner": {"default_policy": {"learner_stats": {"mean_q": 3.5}}}}
    lines = [
        {"episode_reward_mean": -1.0, "timesteps_total": 4000, "time_total_s": 8.0, "info": learner, "done": False}
    ]
    (tmp_path / "result.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "params.json").write_text('{"gamma": 0.9}')
    found = read(tmp_path)
    assert found["episode_reward_mean"] == [(4000, -1.0)]
    assert found["info/learner/default_policy/learner_stats/mean_q"] == [(4000, 3.5)]
    assert set(found) == {"episode_reward_mean", "info/learner/default_policy/learner_stats/mean_q"}


def test_rllib_progress_csv(tmp_path):
    (tmp_path / "progress.csv").write_text("episode_reward_mean,timesteps_total,info/x\n-1.0,4000,abc\n")
    assert read(tmp_path) == {"episode_reward_mean": [(4000, -1.0)]}


def test_a_json_log_cut_in_its_last_line_says_so(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
    run = find_run(path)
    assert series(run) == {"loss": [(1, 2.0)]}
    assert "half-written" in run.damage


def test_our_own_run_log(tmp_path):
    log = RunLog(tmp_path / "mine")
    log.write(100, q1=1.5, critic_loss=0.5)
    log.write(200, {"episode_return": -3.0})
    log.close()
    assert read(tmp_path / "mine") == {"q1": [(100, 1.5)], "critic_loss": [(100, 0.5)], "episode_return": [(200, -3.0)]}


def test_json_documents(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"rewards": [1.0, 2.0], "name": "x"}, indent=1))
    assert read(path) == {"rewards": [(0, 1.0), (1, 2.0)]}
    path.write_text("[[10.0, 5, 0.25],\n[11.0, 6, 0.5]]")
    assert read(path) == {"a": [(5, 0.25), (6, 0.5)]}


def test_mlflow_folders(tmp_path):
    run = tmp_path / "mlruns" / "0" / "abc"
    (run / "metrics" / "train").mkdir(parents=True)
    (run / "params").mkdir()
    (run / "meta.yaml").write_text("run_id: abc\n")
    (run / "metrics" / "train" / "critic_loss").write_text("2000 0.5 10\n3000 0.25 20\n")
    (run / "metrics" / "reward").write_text("1000 -7.0 0\n")
    (run / "params" / "gamma").write_text("0.95")
    found = find_run(tmp_path)
    assert list(found.samples()) == [
        Scalar("reward", 0, -7.0, 1.0),
        Scalar("train/critic_loss", 10, 0.5, 2.0),
        Scalar("train/critic_loss", 20, 0.25, 3.0),
    ]
    assert found.config == {"gamma": "0.95"}


def wandb_item(key, value):
    return blob(1, blob(1, key.encode()) + b"\x82\x01" + varint(len(text := json.dumps(value).encode())) + text)


def wandb_file(records):
    """A ``.wandb`` log: 32 KiB blocks with records in pieces."""
    out = bytearray(b":W&B" + struct.pack("<HB", 0xBEE1, 0))
    for record in records:
        first = True
        while first or record:
            room = 32768 - len(out) % 32768
            if room < 7:
                out += b"\0" * room
                continue
            piece, record = record[: room - 7], record[room - 7 :]
            kind = (1 if first else 4) if not record else (2 if first else 3)
            out += struct.pack("<IHB", zlib.crc32(piece), len(piece), kind) + piece
            first = False
    return bytes(out)


def test_wandb_folders(tmp_path):
    config = blob(5, wandb_item("gamma", {"value": 0.9}) + wandb_item("long", "x" * 100_000))
    rows = [
        blob(2, wandb_item("losses/qf_loss", 2.0 / step) + blob(2, b"\x08" + varint(step))) for step in range(1, 2000)
    ]
    folder = tmp_path / "wandb" / "offline-run-1"
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "config.yaml").write_text("!!python/object:os.system {}")
    (folder / "run-1.wandb").write_bytes(wandb_file([config, *rows]))
    assert read(tmp_path)["losses/qf_loss"] == [(step, 2.0 / step) for step in range(1, 2000)]


def test_wandb_s_log_takes_the_environment_steps_of_the_run(tmp_path):
    row = blob(2, wandb_item("losses/qf_loss", 2.0) + wandb_item("global_step", 500) + wandb_item("_step", 3))
    (tmp_path / "run-1.wandb").write_bytes(wandb_file([row]))
    assert read(tmp_path) == {"losses/qf_loss": [(500, 2.0)]}


def test_wandb_exports_of_several_runs(tmp_path):
    path = tmp_path / "export.csv"
    path.write_text(
        '"Step","a-1 - charts/episodic_return","a-1 - charts/episodic_return__MIN","b-2 - charts/episodic_return"\n'
        '"0","1.0","0.5",""\n"100","2.0","0.5","9.0"\n'
    )
    runs = {run.name: series(run) for run in find_runs(path)}
    assert runs == {
        "export a-1": {"charts/episodic_return": [(0, 1.0), (100, 2.0)]},
        "export b-2": {"charts/episodic_return": [(100, 9.0)]},
    }


def test_tensorboard_s_own_export(tmp_path):
    path = tmp_path / "run-TD3_1-tag-train_actor_loss.csv"
    path.write_text("Wall time,Step,Value\n1.5,10,-3.0\n")
    assert read(path) == {"train/actor_loss": [(10, -3.0)]}


def test_columns_of_d3rlpy(tmp_path):
    (tmp_path / "critic_loss.csv").write_text("1,1000,0.5\n2,2000,0.25\n")
    (tmp_path / "actor_loss.csv").write_text("1,1000,-3.0\n")
    assert read(tmp_path) == {"critic_loss": [(1000, 0.5), (2000, 0.25)], "actor_loss": [(1000, -3.0)]}


def test_add_scalars_folders_are_one_run(tmp_path, write_events):
    write_events(tmp_path / "run" / "events.out.tfevents.1", [Scalar("charts/episodic_return", 1, 5.0, 1.0)])
    for key, value in (("actor", -1.0), ("critic", 2.0)):
        write_events(tmp_path / "run" / f"losses_{key}" / "events.out.tfevents.2", [Scalar("losses", 1, value, 1.0)])
    assert read(tmp_path) == {
        "charts/episodic_return": [(1, 5.0)],
        "losses/actor": [(1, -1.0)],
        "losses/critic": [(1, 2.0)],
    }


def test_folders_that_are_only_called_alike_are_runs(tmp_path, write_events):
    for name in ("losses_actor", "losses_critic"):
        samples = [Scalar("losses", 1, 1.0, 1.0), Scalar("q", 1, 1.0, 1.0)]
        write_events(tmp_path / name / "events.out.tfevents.2", samples)
    assert [run.name for run in find_runs(tmp_path)] == ["losses_actor", "losses_critic"]


@pytest.mark.parametrize("content", ["", "just prose\nand more\n", "[" * 50_000, '{"a": ' * 5000, "\0" * 100])
@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl", "a.txt", "a.wandb", "a"])
def test_what_is_no_log_is_refused_in_a_sentence(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(Unusable) as refusal:
        examine(path)
    assert "\n" not in str(refusal.value)


def test_a_table_of_words_holds_no_scalar(tmp_path):
    (tmp_path / "a.csv").write_text("name,colour\nx,red\n")
    with pytest.raises(Unusable, match="holds no scalar"):
        examine(tmp_path / "a.csv")


@pytest.mark.parametrize("cell", ["nan", "inf", "-1", "1e300", "", "x"])
def test_steps_and_lengths_that_are_none_are_passed_over(tmp_path, cell):
    (tmp_path / "monitor.csv").write_text(f"r,l,t\n1,10,1\n2,{cell},2\n3,10,3\n")
    assert read(tmp_path)["monitor/r"] == [(10, 1.0), (20, 3.0)]


def test_a_mark_without_its_number_is_no_part(tmp_path):
    (tmp_path / "a.csv").write_text("tag,step,value\n#file\nloss,1,2.0\n")
    assert read(tmp_path / "a.csv") == {"loss": [(1, 2.0)]}


def test_what_lies_below_a_run_is_part_of_it(tmp_path, write_events):
    write_events(tmp_path / "events.out.tfevents.1", [Scalar("train/actor_loss", 1, 1.0, 1.0)])
    for name, content in (("checkpoints/1/state.json", '{"updates": 5}'), ("evaluations/a.csv", "step,reward\n1,2\n")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(content)
    assert read(tmp_path) == {"train/actor_loss": [(1, 1.0)]}
