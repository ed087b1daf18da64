"""What tests of all packages share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from td3_driving.starting.domain import DOMAINS, DomainTaken, claim_domain

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_configure() -> None:
    """A busy machine makes no test fail: examples take as long as they take."""
    hypothesis.settings.register_profile("untimed", deadline=None)
    hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recorded runs and CARLA's maps, which are not part of the project; a test that needs them skips without them."""
    folder = Path(os.environ.get("TD3_DRIVING_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data folder beside the repository; name one with TD3_DRIVING_DATA ({folder.name} is absent)")
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch on one thread, as the tests share their machine."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def domain_id() -> int:
    """A ROS domain that nobody on this machine uses; the first domains are left to people."""
    return _free_domain()


@pytest.fixture(scope="module")
def module_domain_id() -> int:
    """The same for tests that share one running graph."""
    return _free_domain()


def _free_domain() -> int:
    first = 10 + os.getpid() % (len(DOMAINS) - 10)
    for number in [*range(first, len(DOMAINS)), *range(10, first)]:
        try:
            with claim_domain(number):
                return number
        except DomainTaken:
            continue
    raise RuntimeError("no free ROS domain on this machine")
