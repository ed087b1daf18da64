# SPDX-License-Identifier: Apache-2.0
"""How tests are shared out among processes: those that start a whole graph first, what shares one graph together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest

DOMAINS = {"domain_id", "module_domain_id", "package_domain_id"}
"""Fixtures of tests that start processes which speak ROS, for seconds or minutes."""
TOGETHER = ("tests/conformance/",)
"""Folders whose files share one graph."""
APART = (
    "training_run",
    "runs_beside_each_other",
    "evaluation",
    "bad_input",
    "simulator_settings",
    "gate_interfaces",
    "tutorials",
)
"""Files each of whose tests starts a graph of its own: ``test_NAME.py`` below ``tests/nodes`` or ``tests/docs``."""


def starts_a_graph(item: pytest.Item) -> bool:
    """Whether a test begins before those that start nothing."""
    return not DOMAINS.isdisjoint(getattr(item, "fixturenames", ()))


class GraphsFirst(LoadScopeScheduling):
    """One file of tests to a process, but for those that are better shared out test by test, or folder by folder."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::")[0]
        apart = tuple(f"/test_{name}.py" for name in APART)
        if path.startswith(("tests/nodes/", "tests/docs/")) and path.endswith(apart):
            return nodeid
        return next((folder for folder in TOGETHER if path.startswith(folder)), path)
