# SPDX-License-Identifier: Apache-2.0
"""Input that would hang, fill or mislead the machine: one sentence and exit code 2, in bounded memory.

Every case runs in a process of its own, whose peak memory is read from the kernel.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from td3_driving.doctor.scalars import Scalar

from ..shared.patience import HANG
from .conftest import FILE_VERSION, blob, masked_crc32c, record, scalar_event

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the kernel tells no peak memory")
SOURCES = Path(__file__).resolve().parents[2] / "src/td3_driving"
BOUND = 300 * 2**20
GIGABYTE = 10**9
# Prints the peak memory since the process began; ``ru_maxrss`` would count what the test's own process holds.
RUNNER = """
import re, sys
from td3_driving.doctor.cli import main
code = main(sys.argv[1:])
print("peak", int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024)
sys.exit(code)
"""


def doctor(*arguments):
    """Exit code, standard error and peak memory [bytes] of the doctor in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCES), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", RUNNER, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=HANG)
    peak = int(done.stdout.rpartition("peak ")[2])
    return done.returncode, done.stderr, peak


def sparse(path, head=b"", size=GIGABYTE):
    """A file of ``size`` bytes that takes no room on the disk."""
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)
    return path


def many_scalars(path):
    """A gigabyte that begins with 60,000 good scalars and goes on likewise, for all that can be seen from there."""
    content = b"".join(scalar_event(Scalar("losses/qf1_values", step, 1.0, float(step))) for step in range(60_000))
    return sparse(path, FILE_VERSION + content)


def many_records_without_scalars(path):
    """A gigabyte that begins with 250,000 records of a file version."""
    return sparse(path, FILE_VERSION * 250_000)


def table_of_words(path):
    """30 MB of rows without a number."""
    with path.open("w") as file:
        file.write("name,colour\n")
        for _ in range(30):
            file.write("a somewhat longer name,a colour\n" * 32_000)
    return path


def long_record(path):
    """A record that claims 4 GiB, with a right checksum of its length."""
    head = struct.pack("<Q", 2**32)
    path.write_bytes(FILE_VERSION + head + struct.pack("<I", masked_crc32c(head)) + b"\0" * 100)
    return path


def many_empty_values(path):
    """Records of 0.5 MB and of 8 MB, of summary values that hold nothing and take a hundred times their size."""
    short, long = (record(blob(5, b"\x0a\x00" * count)) for count in (2**18 - 16, 2**22))
    path.write_bytes(FILE_VERSION + short * 4 + long)
    return path


def many_columns(path):
    path.write_text(",".join(f"train/loss_{number}" for number in range(200_000)) + "\n1\n")
    return path


def nested(path, opening):
    path.write_text(opening * 200_000)
    return path


def pipe(path):
    os.mkfifo(path)
    return path


def link_loop(path):
    path.symlink_to(path)
    return path


def folder_of_pipes(path):
    path.mkdir()
    for name in ("events.out.tfevents.1", "progress.csv", "run.wandb", "a.mcap"):
        os.mkfifo(path / name)
    (path / "loop").symlink_to(path)
    return path


HOSTILE = {
    "events of zeros": lambda tmp: sparse(tmp / "events.out.tfevents.1"),
    "too many scalars": lambda tmp: many_scalars(tmp / "events.out.tfevents.1"),
    "too many records": lambda tmp: many_records_without_scalars(tmp / "events.out.tfevents.1"),
    "a table of words": lambda tmp: table_of_words(tmp / "progress.csv"),
    "a record without end": lambda tmp: long_record(tmp / "events.out.tfevents.1"),
    "values that hold nothing": lambda tmp: many_empty_values(tmp / "events.out.tfevents.1"),
    "one line of a gigabyte": lambda tmp: sparse(tmp / "progress.csv", b"a,b\n"),
    "JSON of a gigabyte": lambda tmp: sparse(tmp / "result.json", b'{"a": "'),
    "W&B of zeros": lambda tmp: sparse(tmp / "run.wandb", b":W&B\xe1\xbe\x00"),
    "bag of zeros": lambda tmp: sparse(tmp / "a.mcap"),
    "too many columns": lambda tmp: many_columns(tmp / "progress.csv"),
    "deep JSON": lambda tmp: nested(tmp / "result.json", '{"a":'),
    "deep list": lambda tmp: nested(tmp / "result.json", "["),
    "a pipe": lambda tmp: pipe(tmp / "events.out.tfevents.1"),
    "a device": lambda tmp: Path("/dev/zero"),
    "a link to itself": lambda tmp: link_loop(tmp / "run"),
    "a folder of pipes": lambda tmp: folder_of_pipes(tmp / "run"),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_hostile_input_ends_in_one_sentence(tmp_path, make):
    code, errors, peak = doctor(make(tmp_path))
    assert (code, errors.count("\n")) == (2, 1), errors
    assert errors.startswith("doctor: ")
    assert peak < BOUND


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        "a: " * 50_000,
        "!!python/object/apply:os.system ['touch HACKED']",
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",
        "\0" * 1000,
        "- " * 100_000,
    ],
)
def test_a_hostile_configuration_is_refused_when_asked_for(tmp_path, content):
    run = tmp_path / "events.out.tfevents.1"
    run.write_bytes(FILE_VERSION + b"".join(scalar_event(Scalar("loss", step, 1.0, 1.0)) for step in range(10)))
    config = tmp_path / "asked.yaml"
    config.write_text(content)
    code, errors, peak = doctor(run, "--config", config)
    assert (code, errors.count("\n")) == (2, 1), errors
    assert not Path("HACKED").exists()
    assert peak < BOUND


def test_a_long_image_is_passed_over(tmp_path):
    """What comes after a record of 20 MB is read, and the record is not loaded."""
    size = 20 * 2**20
    head = struct.pack("<Q", size)
    image = head + struct.pack("<I", masked_crc32c(head)) + bytes(size + 4)
    points = [scalar_event(Scalar("loss", step, 1.0, 1.0)) for step in range(10)]
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(FILE_VERSION + points[0] + image + b"".join(points[1:]))
    code, _, peak = doctor(path, "--brief", "--json", tmp_path / "report.json")
    assert code in (0, 3, 4)
    assert '"scalars": 10' in (tmp_path / "report.json").read_text()
    assert peak < BOUND
