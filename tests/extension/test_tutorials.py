# SPDX-License-Identifier: Apache-2.0
"""The modules that the tutorials write are those that the tests here use."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TUTORIALS = Path(__file__).resolve().parents[2] / "docs" / "tutorials"


@pytest.mark.parametrize(
    ("page", "module"),
    [
        ("own_reward_term.md", "my_rewards.py"),
        ("own_sensor.md", "my_sensors.py"),
        ("own_encoder.md", "my_encoder.py"),
        ("own_encoder.md", "my_frozen_encoder.py"),
        ("own_algorithm.md", "my_algorithm.py"),
    ],
)
def test_the_page_shows_the_module_letter_by_letter(page: str, module: str, examples: Path) -> None:
    shown = re.findall(rf'^```python title="{module}"\n(.*?)^```', (TUTORIALS / page).read_text(), re.M | re.S)
    assert shown == [(examples / module).read_text()]


@pytest.mark.parametrize(
    ("page", "module", "test"),
    [
        ("own_reward_term.md", "my_rewards", "test_two_seconds_cost_a_third"),
        ("own_encoder.md", "my_encoder", "test_features_have_their_width_and_are_not_negative"),
        ("own_algorithm.md", "my_algorithm", "test_a_large_error_pulls_less"),
        ("own_sensor.md", "my_sensors", "test_sideways_speed_is_left_positive"),
    ],
)
@pytest.mark.usefixtures("examples")
def test_the_page_s_test_holds(page: str, module: str, test: str) -> None:
    (code,) = re.findall(
        rf'^```python title="test_{module}.py"\n(.*?)^```', (TUTORIALS / page).read_text(), re.M | re.S
    )
    names: dict[str, object] = {}
    exec(compile(code, page, "exec"), names)
    names[test]()  # type: ignore[operator]
