# SPDX-License-Identifier: Apache-2.0
"""A sound simulator, and what the conformance probe records on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..shared.patience import HANG

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from td3_driving.conformance.checks import EXPERIMENTS
from td3_driving.conformance.recording import Recording
from td3_driving.nodes.conformance.experiments import record
from td3_driving.nodes.conformance.probe import Probe

from ..nodes.bridge_harness import start, stop


@pytest.fixture(scope="package")
def sound(package_domain_id: int) -> Iterator[int]:
    """The domain of a simulator as it is shipped."""
    process = start(package_domain_id, control_timeout=1.0)
    yield package_domain_id
    code, errors = stop(process)
    assert (code, "Traceback" in errors) == (0, False), errors


@pytest.fixture(scope="package")
def recording(sound: int) -> Recording:
    """All experiments on it."""
    probe = Probe("ego_vehicle", sound)
    made = record(probe, list(EXPERIMENTS), HANG)
    probe.close()
    assert made is not None
    return made
