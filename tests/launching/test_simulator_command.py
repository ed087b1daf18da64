# SPDX-License-Identifier: Apache-2.0
"""``td3-driving simulator`` becomes the node with the parameters that were asked for, and refuses bad ones before."""

from __future__ import annotations

import os
import sys

import pytest

from td3_driving.launching import simulator


@pytest.fixture
def become(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Command lines that the command became; it goes on instead."""
    lines: list[list[str]] = []
    monkeypatch.setattr(os, "execve", lambda program, line, environment: lines.append(list(line)))
    return lines


def parameters(line: list[str]) -> list[str]:
    return [word for before, word in zip(line, line[1:]) if before == "-p"]


def test_it_becomes_the_node(
    become: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "7")
    simulator.main(["--set", "simulator.map=town"])
    assert become[0][:4] == [sys.executable, "-m", "td3_driving.launching.child", "simulator"]
    assert parameters(become[0]) == ['simulator.map:="town"']
    assert "ROS domain 7" in capsys.readouterr().out


def test_in_a_vehicles_place_its_time_goes_on_by_itself(become: list[list[str]]) -> None:
    simulator.main(["--vehicle"])
    assert parameters(become[0]) == ["simulator.wait_for_control:=false", "simulator.real_time_factor:=1.0"]


def test_a_profile_counts_and_a_setting_goes_before_it(become: list[list[str]]) -> None:
    simulator.main(["--profile", "quick", "--set", "observation.frame_height=40"])
    given = parameters(become[0])
    assert "observation.frame_width:=96" in given and "observation.frame_height:=40" in given


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--profile", "quik"], "unknown profile 'quik'"),
        (["--set", "simulator.vehicle=3"], "unknown setting 'simulator.vehicle'; did you mean"),
        (["--set", "simulator.fixed_delta=9.0"], "simulator.fixed_delta: 9.0 is outside"),
    ],
)
def test_bad_input_is_refused(
    words: list[str], sentence: str, become: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulator.main(words) == 2
    assert capsys.readouterr().err.startswith(f"error: {sentence}") and not become


@pytest.mark.parametrize(("domain", "sentence"), [("abc", "'abc' is not a number"), ("300", "300 is outside 0 .. 232")])
def test_a_domain_that_does_not_exist_is_refused(
    domain: str,
    sentence: str,
    become: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", domain)
    assert simulator.main([]) == 2
    assert capsys.readouterr().err.startswith(f"error: ROS_DOMAIN_ID {sentence}")
    assert not become
