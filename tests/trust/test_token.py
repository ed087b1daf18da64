# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from td3_driving.trust import token
from td3_driving.trust.token import (
    VARIABLE,
    Token,
    TokenError,
    count_start,
    find_token,
    read_token,
    renew_token,
    shared_token,
)


def test_the_owner_alone_may_read_a_token(tmp_path: Path) -> None:
    path = renew_token(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(read_token(path).secret) == 32 and read_token(path).start == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["token"]


def test_a_new_start_has_another_token(tmp_path: Path) -> None:
    first = read_token(renew_token(tmp_path))
    assert read_token(renew_token(tmp_path)).secret != first.secret


def test_a_run_that_keeps_its_token_counts_its_starts(tmp_path: Path) -> None:
    """So what an earlier start has sealed is told from what this one seals; a copy goes on with the same secret."""
    secret = read_token(count_start(tmp_path)).secret
    tokens = [read_token(count_start(tmp_path)) for _ in range(3)]
    assert tokens == [Token(secret, start) for start in (2, 3, 4)]
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    (tmp_path / "token").write_text(secret.hex() + "\n4294967295\n")
    with pytest.raises(TokenError, match="counts 4294967295 starts, and none can follow"):
        count_start(tmp_path)


def test_a_token_that_tells_no_start_is_of_the_one_before_the_first(tmp_path: Path) -> None:
    path = renew_token(tmp_path)
    path.write_text("ab" * 32)
    assert read_token(path) == Token(b"\xab" * 32, 0)
    assert read_token(count_start(tmp_path)) == Token(b"\xab" * 32, 1)


def test_processes_that_start_together_share_one(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with ThreadPoolExecutor(16) as pool:
        tokens = set(pool.map(lambda _: shared_token(folder), range(64)))
    assert len(tokens) == 1
    assert [entry.name for entry in folder.iterdir()] == ["token"]


def test_of_two_processes_the_later_takes_the_token_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other process is faster, after this one has seen that there is no token."""
    written, first = token._written, []

    def slowly(folder: Path, made: Token) -> Path:
        monkeypatch.setattr(token, "_written", written)
        first.append(shared_token(folder))
        return written(folder, made)

    monkeypatch.setattr(token, "_written", slowly)
    assert [shared_token(tmp_path)] == first == [read_token(tmp_path / "token")]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_a_token_that_others_may_know_is_refused(tmp_path: Path, mode: int) -> None:
    path = renew_token(tmp_path)
    path.chmod(mode)
    with pytest.raises(TokenError, match=f"has mode {mode:03o}.*chmod 600"):
        read_token(path)


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"abc", b"g" * 64, b"a" * 63, b"a" * 65, b"\xff" * 64, b"\n" * 10_000),
        *(b"a" * 64 + b"\n-1", b"a" * 64 + b"\nx", b"a" * 64 + b"\n4294967296", b"a" * 64 + b"\n1\n2"),
        b"a" * 64 + b"\n" * 1000,
    ],
)
def test_what_is_no_token_is_refused(tmp_path: Path, text: bytes) -> None:
    path = renew_token(tmp_path)
    path.write_bytes(text)
    with pytest.raises(TokenError, match="does not hold 64 hexadecimal digits"):
        read_token(path)


def test_the_environment_names_a_copy_for_an_actor_elsewhere(tmp_path: Path) -> None:
    copy = renew_token(tmp_path / "..").rename(tmp_path / "copy")
    assert find_token(None, {VARIABLE: str(copy)}) == read_token(copy)
    assert find_token(tmp_path / "run", {VARIABLE: str(copy)}) == read_token(copy)
    assert find_token(None, {}) is None
    with pytest.raises(TokenError, match="No such file"):
        find_token(None, {VARIABLE: str(tmp_path / "absent")})
