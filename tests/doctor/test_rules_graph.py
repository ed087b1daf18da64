# SPDX-License-Identifier: Apache-2.0
"""The rule about strangers in the ROS graph."""

from __future__ import annotations

import pytest

from .rule_harness import every, found


@pytest.mark.parametrize("tag", ["graph/second_writers", "graph/strangers"])
def test_a_stranger_is_critical_from_the_step_on_at_which_it_came(examined, tag):
    columns = {"graph/second_writers": every(0.0), "graph/strangers": every(0.0)}
    columns[tag] = every(lambda step: 3.0 if step >= 2000 else 0.0)
    (finding,) = found(examined(columns), "foreign-writer")
    assert (finding.first_step, finding.critical) == (2000, True)
    assert finding.causes == {"foreign_writer": "proven"}


def test_a_run_among_itself_is_no_finding(examined):
    assert found(examined({"graph/second_writers": every(0.0), "graph/strangers": every(0.0)}), "foreign-writer") == []
