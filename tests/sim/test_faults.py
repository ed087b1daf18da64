# SPDX-License-Identifier: Apache-2.0
"""Fault plans."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.sim.faults import KINDS, LASTING_FOR_EVER, FaultError, FaultPlan


def test_a_plan_holds_in_the_frames_it_names() -> None:
    plan = FaultPlan.parse("nan_odometry@5 frozen_camera@4:3 dead@9")
    kinds = {frame: plan.active(frame) for frame in range(1, 12)}
    assert kinds[3] == frozenset()
    assert kinds[4] == {"frozen_camera"}
    assert kinds[5] == {"frozen_camera", "nan_odometry"}
    assert kinds[6] == {"frozen_camera"}
    assert kinds[7] == kinds[8] == frozenset()
    assert kinds[9] == kinds[11] == {"dead"}


def test_without_text_nothing_ever_fails() -> None:
    assert FaultPlan.parse("  ") == FaultPlan()
    assert not any(FaultPlan().active(frame) for frame in range(100))


@pytest.mark.parametrize(
    "text", ["nan_odometry", "flood@3", "drop@0", "drop@3:0", "drop@-1", "drop@3:", "crash@4:2", "drop @3", "drop@1e3"]
)
def test_what_cannot_be_understood_is_refused(text: str) -> None:
    with pytest.raises(FaultError, match="fault '"):
        FaultPlan.parse(text)


@given(kind=st.sampled_from(KINDS), first=st.integers(1, 1000), count=st.integers(1, 50), frame=st.integers(1, 1200))
def test_active_means_within_the_range(kind: str, first: int, count: int, frame: int) -> None:
    endless = kind in LASTING_FOR_EVER
    plan = FaultPlan.parse(f"{kind}@{first}" if endless else f"{kind}@{first}:{count}")
    assert (kind in plan.active(frame)) == (first <= frame and (endless or frame - first < count))
