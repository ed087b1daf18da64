# SPDX-License-Identifier: Apache-2.0
"""The token of a run: a secret that its own processes share and that no message carries.

It is a file in the run folder that its owner alone may read. Processes get the path of the folder, or of a copy of the
file in the environment variable :data:`VARIABLE`; the secret itself stands on no command line.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

FILE = "token"
VARIABLE = "TD3_DRIVING_TOKEN"
"""Environment variable with the path of the token, for an actor that does not see the run folder."""
LENGTH = 32
"""Bytes of a token; the file holds them as hexadecimal digits."""


class TokenError(ValueError):
    """There is no token that could be used."""


def renew_token(folder: Path) -> Path:
    """Give the run in ``folder`` a new token; what its earlier processes sealed is not believed any more.

    Raises:
        OSError: the folder cannot be written.
    """
    path = folder / FILE
    os.replace(_written(folder), path)
    return path


def shared_token(folder: Path) -> bytes:
    """The token of the run in ``folder``; the first process to ask makes it.

    Raises:
        TokenError: see :func:`read_token`.
        OSError: the folder cannot be written.
    """
    path = folder / FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        fresh = _written(folder)
        try:
            # A link does not replace: of two processes that start together, both take the token of one.
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return read_token(path)


def read_token(path: Path) -> bytes:
    """The token in a file.

    Raises:
        TokenError: the file is missing, others may read it, or it holds no token.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(2 * LENGTH + 2)
    except OSError as error:
        raise TokenError(f"token {path} cannot be read: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise TokenError(f"token {path} has mode {stat.S_IMODE(mode):03o}, so others may know it; needed is 600")
    try:
        token = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        token = b""
    if len(token) != LENGTH:
        raise TokenError(f"token {path} does not hold {2 * LENGTH} hexadecimal digits")
    return token


def find_token(folder: Path | None, environment: Mapping[str, str]) -> bytes | None:
    """The token that :data:`VARIABLE` names, else that of the run ``folder``; ``None`` where neither is given.

    Raises:
        TokenError, OSError: see :func:`shared_token`.
    """
    named = environment.get(VARIABLE, "")
    if named:
        return read_token(Path(named))
    return None if folder is None else shared_token(folder)


def _written(folder: Path) -> Path:
    """A new token in a file of its own."""
    path = folder / f".{FILE}.{secrets.token_hex(8)}"
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(LENGTH) + "\n")
    return path
