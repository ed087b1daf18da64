# SPDX-License-Identifier: Apache-2.0
"""Several event files of one folder: a run that was gone on with, attempts from one start, writers side by side."""

from __future__ import annotations

import pytest

from td3_driving.doctor.run import find_runs
from td3_driving.doctor.scalars import Scalar


@pytest.fixture
def folder(tmp_path, write_events):
    """``folder((tag, first step, last step, wall), …)``: one event file each, a point every 10 steps and seconds."""

    def make(*files, texts=({}, {}, {}, {})):
        for number, (tags, first, last, wall) in enumerate(files):
            samples = [
                Scalar(tag, step, float(number), wall + step - first)
                for step in range(first, last + 1, 10)
                for tag in tags.split()
            ]
            write_events(tmp_path / f"events.out.tfevents.{number}", samples, texts[number])
        return tmp_path

    return make


def test_a_resumed_run_is_one(folder):
    (run,) = find_runs(folder(("a", 0, 500, 1e9), ("a", 510, 900, 2e9)))
    assert [sample.step for sample in run.samples()] == list(range(0, 901, 10))


def test_what_was_rolled_back_is_left_out(folder):
    (run,) = find_runs(folder(("a", 0, 500, 1e9), ("a", 300, 900, 2e9)))
    assert [(sample.step, sample.value) for sample in run.samples()] == [
        (step, float(step >= 300)) for step in range(0, 901, 10)
    ]


def test_attempts_from_the_same_checkpoint_are_runs(folder):
    runs = find_runs(folder(("a", 1000, 1500, 1e9), ("a", 1010, 1300, 2e9), ("a", 1000, 1900, 3e9)))
    assert [len(list(run.samples())) for run in runs] == [51, 30, 91]
    assert len({run.name for run in runs}) == 3


def test_writers_of_different_series_are_one_run(folder):
    (run,) = find_runs(folder(("train", 0, 500, 1e9), ("eval", 0, 500, 1e9 + 1)))
    assert [sample.tag for sample in run.samples()][:4] == ["train", "eval", "train", "eval"]


def test_runs_side_by_side_in_time_are_runs(folder):
    assert len(find_runs(folder(("a", 0, 1000, 1e9), ("a", 200, 1200, 1e9 + 5)))) == 2


def test_another_environment_is_another_run(folder):
    texts = ({"hyperparameters": "|env_id|Hopper-v4|"}, {"hyperparameters": "|env_id|Ant-v4|"})
    files = ("a", 0, 500, 1e9), ("a", 510, 900, 2e9)
    assert len(find_runs(folder(*files, texts=texts))) == 2
    assert len(find_runs(folder(*files, texts=(texts[0], texts[0])))) == 1


def test_a_resumed_run_whose_episodes_are_numbered_anew(folder):
    (run,) = find_runs(folder(("a b c", 0, 500, 1e9), ("a b c", 510, 900, 2e9)))
    assert len(list(run.samples())) == 3 * 91


def test_our_own_folder_holds_one_run_wherever_it_was_gone_on_with(folder):
    path = folder(("a", 0, 1000, 1e9), ("a", 50, 1500, 2e9))
    assert len(find_runs(path)) == 2
    (path / "manifest.json").write_text('{"config_hash": "x"}')
    assert len(find_runs(path)) == 1
