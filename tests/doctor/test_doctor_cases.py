# SPDX-License-Identifier: Apache-2.0
"""Nine runs of other people, reduced to their curves. They are not part of the project; the tests skip without them."""

from __future__ import annotations

from pathlib import Path

import pytest

from td3_driving.doctor.diagnosis import Verdict
from td3_driving.doctor.examine import examine
from td3_driving.doctor.learning_curve import Learned

CASES = Path(__file__).resolve().parents[2] / "../shared/doctor_cases"
TRUTHS = {
    "add_scalars_healthy_called_no_go": (Verdict.GO, None, Learned.LEARNED),
    "one_nan_at_step_0_called_no_go": (Verdict.GO, None, Learned.LEARNED),
    "never_learned_called_go": (Verdict.NO_GO, "never_learned", Learned.FLOOR),
    "ddpg_overestimates_sb3_tags": (Verdict.NO_GO, "overestimation", Learned.HELD),
    "dead_critic_drl_navigation_tags": (Verdict.NO_GO, "critic_dead", Learned.UNKNOWN),
    "q_exploded_drl_navigation_tags": (Verdict.NO_GO, "critic_divergence", Learned.UNKNOWN),
    "q_exploded_skrl_tags": (Verdict.NO_GO, "critic_divergence", Learned.FLAT),
    "zero_return_q500_called_go": (Verdict.NO_GO, "critic_divergence", Learned.FLOOR),
}


@pytest.mark.parametrize("name", TRUTHS)
def test_a_case_gets_its_verdict_and_cause(name):
    case = CASES / f"{name}.csv"
    if not case.is_file():
        pytest.skip("the cases are not on this machine")
    verdict, cause, learned = TRUTHS[name]
    diagnosis = examine(case)
    assert diagnosis.verdict is verdict, [finding.evidence for finding in diagnosis.findings]
    assert (diagnosis.causes[0].cause if diagnosis.causes else None) == cause
    assert diagnosis.learning.kind is learned
