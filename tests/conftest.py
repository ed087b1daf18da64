# SPDX-License-Identifier: Apache-2.0
"""What tests of all packages share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from td3_driving.processes.typed import PREFIX
from td3_driving.settings import Settings

from .shared import tiny
from .shared.domains import reserved_domain

REPOSITORY = Path(__file__).resolve().parents[1]
LONG_RUNS = REPOSITORY / "tests" / "long" / "runs.md"


def pytest_configure() -> None:
    """A busy machine makes no test fail: examples take as long as they take. Nor does a shell that ignores Ctrl-C.

    A shell without job control starts what it puts in the background with SIGINT ignored, and children inherit that.
    """
    os.environ.pop(PREFIX, None)  # Commands that are printed begin with the program itself.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    hypothesis.settings.register_profile("untimed", deadline=None)
    hypothesis.settings.load_profile("untimed")


def pytest_report_header() -> str:
    """When the long proofs last ran."""
    rows = [line for line in LONG_RUNS.read_text(encoding="utf-8").splitlines() if line.startswith("| 2")]
    last = rows[-1].strip("| ").replace(" | ", ", ") if rows else "never"
    return f"long proofs (make test-long), last run: {last}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Shares the tests out when several processes run them (``make test``)."""
    from .shared.scheduling import LongFirst

    return LongFirst(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """What ``-n auto`` means, unless the user says it in the environment."""
    from .shared.scheduling import process_count

    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else process_count()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In one of several processes what takes long comes first, so that none of them is left with it at the end.

    Where ``make test`` allows it, a test of several processes that failed is begun once more. The end of the output
    names it and shows its first failure: it is a defect, of the test or of what it tests.
    """
    if config.getoption("max_suite_reruns", None):
        from .shared.scheduling import AGAIN, has_processes

        for item in filter(has_processes, items):
            item.add_marker(pytest.mark.flaky(reruns=AGAIN))
    if hasattr(config, "workerinput"):
        from .shared.scheduling import in_order

        items[:] = in_order(items)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recorded runs and CARLA's maps, which are not part of the project; a test that needs them skips without them."""
    folder = Path(os.environ.get("TD3_DRIVING_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data folder beside the repository; name one with TD3_DRIVING_DATA ({folder.name} is absent)")
    return folder


@pytest.fixture(scope="session")
def small() -> Callable[..., Settings]:
    """See :func:`tiny.small_settings`."""
    return tiny.small_settings


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch on one thread, as the tests share their machine."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def domain_id() -> Iterator[int]:
    """A ROS domain of the test's own."""
    with reserved_domain() as number:
        yield number


@pytest.fixture(scope="module")
def module_domain_id() -> Iterator[int]:
    """The same for tests that share one running graph."""
    with reserved_domain() as number:
        yield number


@pytest.fixture(scope="package")
def package_domain_id() -> Iterator[int]:
    """The same for a folder of tests that share one running graph."""
    with reserved_domain() as number:
        yield number
