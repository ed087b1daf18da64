"""A sound simulator, and what the conformance probe records on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from bridge_harness import start, stop
from run_harness import private_domain

from td3_driving.conformance.checks import EXPERIMENTS
from td3_driving.conformance.recording import Recording
from td3_driving.nodes.conformance_experiments import record
from td3_driving.nodes.conformance_probe import Probe

START = 40.0
"""Longest wait for the first frame [s]."""


@pytest.fixture(scope="session")
def sound() -> Iterator[int]:
    """The domain of a simulator as it is shipped."""
    with private_domain() as domain:
        process = start(domain.number, control_timeout=1.0)
        yield domain.number
        code, errors = stop(process)
        assert (code, "Traceback" in errors) == (0, False), errors


@pytest.fixture(scope="session")
def recording(sound: int) -> Recording:
    """All experiments on it."""
    probe = Probe("ego_vehicle", sound)
    made = record(probe, list(EXPERIMENTS), START)
    probe.close()
    assert made is not None
    return made
