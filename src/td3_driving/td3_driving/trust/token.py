# SPDX-License-Identifier: Apache-2.0
"""The token of a run: a secret that its own processes share and that no message carries.

It is a file in the run folder that its owner alone may read. Processes get the path of the folder, or of a copy of the
file in the environment variable :data:`VARIABLE`; the secret itself stands on no command line.

The second line of the file counts the starts of the run with this token. Seals tell one start from the other.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILE = "token"
VARIABLE = "TD3_DRIVING_TOKEN"
"""Environment variable with the path of the token, for an actor that does not see the run folder."""
LENGTH = 32
"""Bytes of a token; the file holds them as hexadecimal digits."""
FIRST_START, LAST_START = 1, 2**32 - 1
MOST_LETTERS = 2 * LENGTH + 16
"""Letters of a file with a token and a start."""


class TokenError(ValueError):
    """There is no token that could be used."""


@dataclass(frozen=True, slots=True)
class Token:
    """What the file of a token says.

    Attributes:
        secret: :data:`LENGTH` bytes.
        start: of the run with this token, from 1 on; 0 where the file does not say.
    """

    secret: bytes
    start: int


def renew_token(folder: Path) -> Path:
    """Give the run in ``folder`` a new token; what its earlier processes sealed is not believed any more.

    Raises:
        OSError: the folder cannot be written.
    """
    path = folder / FILE
    os.replace(_written(folder, Token(secrets.token_bytes(LENGTH), FIRST_START)), path)
    return path


def count_start(folder: Path) -> Path:
    """Count one more start of the run in ``folder``, which keeps its token; one that has none gets it.

    Raises:
        TokenError: see :func:`read_token`; or there were too many starts.
        OSError: the folder cannot be written.
    """
    path = folder / FILE
    if not path.exists():
        return renew_token(folder)
    token = read_token(path)
    if token.start >= LAST_START:
        raise TokenError(f"token {path} counts {token.start} starts, and none can follow; delete it to get another")
    os.replace(_written(folder, Token(token.secret, token.start + 1)), path)
    return path


def shared_token(folder: Path) -> Token:
    """The token of the run in ``folder``; the first process to ask makes it.

    Raises:
        TokenError: see :func:`read_token`.
        OSError: the folder cannot be written.
    """
    path = folder / FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        fresh = _written(folder, Token(secrets.token_bytes(LENGTH), FIRST_START))
        try:
            # A link does not replace: of two processes that start together, both take the token of one.
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return read_token(path)


def read_token(path: Path) -> Token:
    """The token in a file.

    Raises:
        TokenError: the file is missing, others may read it, or it holds no token.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(MOST_LETTERS + 1)
    except OSError as error:
        raise TokenError(f"the token file {path} cannot be read: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise TokenError(
            f"the token file {path} has mode {stat.S_IMODE(mode):03o}, so others may know it: chmod 600 {path}"
        )
    token = _parsed(text)
    if token is None:
        raise TokenError(f"the token file {path} does not hold {2 * LENGTH} hexadecimal digits and a number of starts")
    return token


def _parsed(text: bytes) -> Token | None:
    """The token in the bytes of its file; ``None`` where they hold none."""
    found = re.fullmatch(rb"\s*([0-9a-fA-F]{%d})(?:\n([0-9]{1,10}))?\s*" % (2 * LENGTH), text)
    if found is None or len(text) > MOST_LETTERS or int(found[2] or 0) > LAST_START:
        return None
    return Token(bytes.fromhex(found[1].decode("ascii")), int(found[2] or 0))


def find_token(folder: Path | None, environment: Mapping[str, str]) -> Token | None:
    """The token that :data:`VARIABLE` names, else that of the run ``folder``; ``None`` where neither is given.

    Raises:
        TokenError, OSError: see :func:`shared_token`.
    """
    named = environment.get(VARIABLE, "")
    if named:
        return read_token(Path(named))
    return None if folder is None else shared_token(folder)


def _written(folder: Path, token: Token) -> Path:
    """A file of its own that holds ``token``."""
    path = folder / f".{FILE}.{secrets.token_hex(8)}"
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(f"{token.secret.hex()}\n{token.start}\n")
    return path
