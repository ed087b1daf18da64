# SPDX-License-Identifier: Apache-2.0
"""A user's object that fails in the course of a run: one sentence says whose it is, what it raised, and where."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from td3_driving import cli
from td3_driving.doctor.engine import Engine
from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.rulebook import with_rules
from td3_driving.driving.drivers import Situation, reference_driver
from td3_driving.driving.episode_driver import episode_driver
from td3_driving.driving.reward import DrivenStep, RewardModel
from td3_driving.driving.route import Route, RoutePlace
from td3_driving.driving.state_vector import encode_state
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.plugins import PluginFault, blame
from td3_driving.runs.refusals import in_words
from td3_driving.settings import from_flat
from td3_driving.settings_observation import ObservationSettings
from tests.nodes.run_harness import Run

DRIVERS = """
from td3_driving.driving.drivers import LaneKeeper, ReferenceDriver

made = []

def make_once(speed, frame_time, seed):
    made.append(seed)
    if len(made) > {episodes}:
        raise KeyError("no table for this episode")
    return LaneKeeper(speed, frame_time)

class Returns:
    def __init__(self, value):
        self.value = value
    def act(self, situation):
        return self.value

LATER = ReferenceDriver(make_once, "fails in a later episode")
NO_LUCK = ReferenceDriver(lambda *_: (_ for _ in ()).throw(ValueError("no luck")), "fails at once")
NOBODY = ReferenceDriver(lambda *_: None, "is none")
LIST = ReferenceDriver(lambda *_: Returns([0.5, 0.25]), "acts by a list")
WRONG = {{
    "LONG": (0.0, 0.0, 0.0), "FAR": (0.0, 1.5), "NAN": (float("nan"), 0.0), "WORDS": "left", "NONE": None,
}}
globals().update({{name: ReferenceDriver(lambda *_, v=value: Returns(v), name) for name, value in WRONG.items()}})
"""
ROUTE = Route(np.array([(0.0, 0.0), (200.0, 0.0)]))
SITUATION = Situation(VehicleState(0, 20.0, 0.0, 0.0, 0.0, 6.0, 0.0, 0.0), RoutePlace(20.0, 0.0, 0.0), ROUTE)
LINE_OF_RAISE = DRIVERS.splitlines().index('        raise KeyError("no table for this episode")') + 1


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Write a module of the user's onto the search path; returns its name, which no other test has."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def module(text: str) -> str:
        name = f"of_{tmp_path.name}".replace("-", "_")
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        return name

    return module


def test_a_driver_that_fails_in_a_later_episode_is_named_with_error_and_line(
    write: Callable[[str], str], tmp_path: Path
) -> None:
    name = write(DRIVERS.format(episodes=2))
    driver = episode_driver(f"{name}:LATER", 8.0, 0.05, 1, "learning.teacher")
    driver.begin(2)
    with pytest.raises(KeyError) as caught:
        driver.begin(3)
    place = f"{tmp_path / name}.py, line {LINE_OF_RAISE}"
    wanted = f"learning.teacher: '{name}:LATER': KeyError: 'no table for this episode', in make_once ({place})"
    assert blame(caught.value) == in_words(caught.value) == wanted


def test_an_error_of_ours_is_blamed_on_nobody(write: Callable[[str], str]) -> None:
    reference_driver(f"{write(DRIVERS.format(episodes=2))}:LATER")
    with pytest.raises(ZeroDivisionError) as caught:
        _ = 1 / 0
    assert blame(caught.value) == "" and in_words(caught.value) == "division by zero"


def test_evaluate_names_the_driver_too(write: Callable[[str], str], capsys: pytest.CaptureFixture[str]) -> None:
    """Whether its error is one that a command takes for bad input (ValueError), or not (KeyError)."""
    name = write(DRIVERS.format(episodes=0))
    for which, error in (("NO_LUCK", "ValueError: no luck"), ("LATER", "KeyError: 'no table for this episode'")):
        assert cli.main(["evaluate", f"{name}:{which}", "--routes", "1", "--map", "straight"]) == 2
        last = capsys.readouterr().err.splitlines()[-1]
        assert last.startswith(f"error: driver: '{name}:") and f"{name}:{which}'" in last and error in last


@pytest.mark.parametrize("which", ["LONG", "FAR", "NAN", "WORDS", "NONE"])
def test_an_action_that_is_none_is_refused(write: Callable[[str], str], which: str) -> None:
    name = write(DRIVERS.format(episodes=9))
    driver = reference_driver(f"{name}:{which}").make(8.0, 0.05, 0)
    with pytest.raises(PluginFault, match=rf"driver: '{name}:{which}': act returned .*, not \(steer, drive\)"):
        driver.act(SITUATION)


def test_a_list_is_an_action_and_a_driver_must_act(write: Callable[[str], str]) -> None:
    name = write(DRIVERS.format(episodes=9))
    action = reference_driver(f"{name}:LIST").make(8.0, 0.05, 0).act(SITUATION)
    assert action.dtype == np.float32 and action.tolist() == [0.5, 0.25]
    with pytest.raises(PluginFault, match="make returned None, which has no method act"):
        reference_driver(f"{name}:NOBODY").make(8.0, 0.05, 0)


IN_THE_WORLD = """
from td3_driving.driving.reward import RewardTerm
from td3_driving.driving.state_vector import OwnElement, StateElement

def divide(*_):
    return 1 / 0

TERM = RewardTerm(name="mine", value=divide, low=-1.0, high=0.0, weight=1.0, meaning="mine")
ELEMENT = OwnElement(StateElement("mine", "1", 1.0, "me"), divide)
"""


def test_a_term_and_an_element_that_fail_are_named(write: Callable[[str], str]) -> None:
    name = write(IN_THE_WORLD)
    still = np.zeros(2, dtype=np.float32)
    model = RewardModel(from_flat({"reward.terms": f"{name}:TERM"}).reward, 0.05)
    step = DrivenStep(SITUATION.vehicle, SITUATION.place, SITUATION.place, still, still, False, ROUTE)
    seen = ObservationSettings(elements=f"{name}:ELEMENT", state="map")
    fails: dict[str, Callable[[], object]] = {
        f"reward.terms: '{name}:TERM'": lambda: model.score(step),
        f"observation.elements: '{name}:ELEMENT'": lambda: encode_state(
            SITUATION.vehicle, SITUATION.place, ROUTE, None, still, seen
        ),
    }
    for who, call in fails.items():
        with pytest.raises(ZeroDivisionError) as caught:
            call()
        assert who in blame(caught.value) and "division by zero, in divide (" in blame(caught.value)


ALGORITHM = """
from td3_driving.learning.algorithms.td3 import TD3

class Mine(TD3):
    def critic_loss(self, q1, q2, target):
        return {loss}
"""


@pytest.mark.slow
def test_a_run_ends_with_the_sentence_and_a_verdict(
    write: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, domain_id: int
) -> None:
    """Each process asks the driver; the first two episodes are driven."""
    name = write(DRIVERS.format(episodes=2))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    with Run(tmp_path, domain_id, {"learning.teacher": f"{name}:LATER", "network.critic": "camera"}) as run:
        assert run.wait() == 1, run.output[-4000:]
    said = " ".join(run.output.split())
    assert f"error: learning.teacher: '{name}:LATER': KeyError: 'no table for this episode', in make_once (" in said
    assert "policy ended the run (exit code 5)" in said and "Traceback" not in said and "[doctor]" in said


@pytest.mark.slow
def test_a_learner_whose_algorithm_fails_is_not_started_again(
    write: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, domain_id: int
) -> None:
    name = write(ALGORITHM.format(loss="q1.mean() + q2.view(-1, 7).mean()"))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    with Run(tmp_path, domain_id, {"learning.algorithm": f"{name}:Mine"}) as run:
        assert run.wait() == 2, run.output[-4000:]
    said = " ".join(run.output.split())
    assert f"error: learning.algorithm: '{name}:Mine': RuntimeError: " in said and "in critic_loss (" in said
    assert "learner ended the run (exit code 2)" in said and "Traceback" not in said and "anew" not in said


RULES = '''
from td3_driving.doctor.rule import Rule

class Mine(Rule):
    """A rule of mine.

    Condition: none.
    Meaning: none.
    Refuted by: nothing
    Example: none.
    """

    id = "mine"
    reads = ("steer_std",)

    def __init__(self, history):
        super().__init__(history)
        self.fails = {made}

    def feed(self, row):
        self.fails = {fed}

    def findings(self, earlier):
        return {found}
'''


@pytest.mark.parametrize(
    ("where", "when"),
    [("made", "when it was made"), ("fed", "at step 7"), ("found", "when it was asked for its findings")],
)
def test_a_rule_of_the_doctor_that_fails_is_named(write: Callable[[str], str], where: str, when: str) -> None:
    texts = {"made": "0", "fed": "0", "found": "[]", where: "{}['missing']"}
    name = write(RULES.format(**texts))

    def judged() -> None:
        engine = Engine(rulebook=with_rules([name]))
        engine.feed("action/steer_std", 7, 0.1, 0.0)
        engine.findings()

    with pytest.raises(Unusable, match=rf"the rule mine of {name} failed {when}: KeyError: 'missing' \(.*line \d+\)"):
        judged()
