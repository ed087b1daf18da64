# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from typing import Callable

import pytest

from td3_driving.learning import deciding
from td3_driving.learning.deciding import decided, fastest, seconds_of, take_turns
from td3_driving.settings import Settings

Make = Callable[..., Settings]
STATE_DIM = 3


@pytest.mark.parametrize(
    ("times", "index"),
    [([1.0], 0), ([1.0, 0.95], 0), ([1.0, 0.5], 1), ([1.0, 0.6, 0.5], 2), ([1.0, math.inf], 0), ([0.5, 1.0], 0)],
)
def test_another_form_must_be_faster_by_a_tenth(times: list[float], index: int) -> None:
    assert fastest(times) == index


def test_a_form_without_a_turn_takes_for_ever() -> None:
    assert (seconds_of([0.3, 0.2, 0.9]), seconds_of([])) == (0.2, math.inf)


def test_nothing_is_measured_where_nothing_is_open(small: Make) -> None:
    settings = small(learning__precision="bfloat16", learning__compile="on")
    assert decided(settings, STATE_DIM) is settings


def test_what_is_open_becomes_a_form_that_has_a_name(small: Make) -> None:
    settings = small(learning__precision="auto")
    form = decided(settings, STATE_DIM)
    assert form.learning.precision in ("float32", "tf32", "bfloat16")
    assert decided(form, STATE_DIM) is form
    assert form.flat() | {"learning.precision": "auto"} == settings.flat()


def test_a_form_that_fails_has_no_turn(small: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = deciding.Trial.__init__

    def failing(self: deciding.Trial, settings: Settings, state_dim: int) -> None:
        if settings.learning.precision == "bfloat16":
            raise RuntimeError("no compiler")
        whole(self, settings, state_dim)

    monkeypatch.setattr(deciding.Trial, "__init__", failing)
    plain, broken = small(), small(learning__precision="bfloat16")
    times = take_turns([plain, broken], STATE_DIM)
    assert [len(turns) for turns in times] == [deciding.TURNS, 0]
    with pytest.raises(RuntimeError, match="no compiler"):
        take_turns([broken, plain], STATE_DIM)


def test_how_it_computes_is_no_part_of_what_a_run_is(small: Make) -> None:
    """A run can be resumed on a machine without a compiler or with another memory."""
    other = small(learning__compile="auto", learning__capture=False, replay__device_share=0.1)
    assert other.digest() == small().digest()
    assert small(learning__precision="bfloat16").digest() != small().digest()
