# SPDX-License-Identifier: Apache-2.0
"""The conformance command leaves the vehicle of a run alone, also of one whose nodes are not there yet."""

from __future__ import annotations

import pytest

from td3_driving import cli
from td3_driving.nodes.conformance import command
from td3_driving.processes.domain import DomainTaken, claim_domain


def test_a_domain_that_a_run_holds_is_left_alone(
    domain_id: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain_id))
    monkeypatch.setattr(command, "_judge", lambda _: pytest.fail("it would have gone into the graph"))
    with claim_domain(domain_id):
        assert cli.main(["conformance"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: a run on this machine has ROS domain {domain_id}, and its vehicle would be driven")
    assert said.count("\n") == 1


def test_no_run_begins_in_the_domain_meanwhile(domain_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain_id))

    def judged(_: object) -> int:
        with pytest.raises(DomainTaken):
            claim_domain(domain_id)
        return 0

    monkeypatch.setattr(command, "_judge", judged)
    assert cli.main(["conformance"]) == 0
    claim_domain(domain_id).__exit__()
