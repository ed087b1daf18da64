# SPDX-License-Identifier: Apache-2.0
"""The panels of the live page say what their curves are."""

from __future__ import annotations

import pytest

pytest.importorskip("rerun", reason="the package rerun-sdk is not installed")

from td3_driving.live import entities
from td3_driving.live.layout import layout
from td3_driving.live.page import STEP, TIME


@pytest.mark.parametrize(("timeline", "learns"), [(STEP, True), (TIME, False)])
def test_the_title_names_the_curve_for_which_the_legend_has_no_room(timeline: str, learns: bool) -> None:
    assert entities.colours(["reward"], entities.FIRST_COLOUR[entities.REWARD_TOTAL]) == [(20, 20, 20)]
    curves = layout(timeline, learns).root_container.contents[2].contents
    assert curves[0].name == "Reward of a step (black) and its terms"
