# SPDX-License-Identifier: Apache-2.0
"""The zip archive of a bundle: the same members always give the same bytes, and nothing unusual is read.

Members are stored without compression, so an archive cannot hold more than its own size.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path

LARGEST = 256 * 2**20
"""Bytes that a bundle may have; the largest network of the profiles takes 7 MB."""
EPOCH = (1980, 1, 1, 0, 0, 0)
ENCRYPTED = 0x1
LOCAL_HEADER, CENTRAL_HEADER, END_RECORD = 30, 46, 22
"""Sizes of the fixed parts of a zip archive without comments and extra fields [bytes]."""


class BundleError(ValueError):
    """A bundle is damaged, altered, or of another program; the message is one sentence for the user."""


def pack(members: Mapping[str, bytes]) -> bytes:
    """The archive of ``members`` in the order of their names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, EPOCH)
            info.create_system = 3
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, members[name])
    return buffer.getvalue()


def read_file(path: Path) -> bytes:
    """The bytes of a bundle file.

    Raises:
        BundleError: it is not there, no regular file, or too large.
    """
    try:
        # A pipe without a writer would keep the reader waiting.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BundleError(f"{path} is no regular file")
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > LARGEST:
        raise BundleError(f"{path} has more than the {LARGEST} bytes that a bundle may have")
    return data


def unpack(data: bytes, known: Collection[str]) -> dict[str, bytes]:
    """The members of the archive.

    Args:
        known: names that may occur; any other is refused.

    Raises:
        BundleError: it is no zip archive, or one that :func:`pack` would not make.
    """
    if len(data) > LARGEST:
        raise BundleError(f"the bundle has {len(data)} bytes, more than the {LARGEST} that it may have")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            _check_names([info.filename for info in infos], known)
            for info in infos:
                _check_member(info)
            members = {info.filename: _read(archive, info) for info in infos}
    except (zipfile.BadZipFile, struct.error, EOFError, OSError, NotImplementedError, UnicodeError) as error:
        raise BundleError(f"the bundle is damaged or no zip archive: {error}") from error
    except (RuntimeError, OverflowError, ValueError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(f"the bundle is damaged: {error}") from error
    _check_size(len(data), members)
    return members


def _check_names(names: list[str], known: Collection[str]) -> None:
    for name in names:
        parts = name.replace("\\", "/").split("/")
        if name.startswith(("/", "\\")) or ".." in parts or ":" in name:
            raise BundleError(f"member {name!r} would be written outside of the bundle")
        if names.count(name) > 1:
            raise BundleError(f"member {name!r} occurs more than once")
        if name not in known:
            raise BundleError(f"member {name!r} does not belong into a bundle")


def _check_member(info: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG) or info.is_dir():
        raise BundleError(f"member {info.filename!r} is a link or another special file")
    if info.flag_bits & ENCRYPTED:
        raise BundleError(f"member {info.filename!r} is encrypted")
    if info.compress_type != zipfile.ZIP_STORED:
        raise BundleError(f"member {info.filename!r} is compressed; a bundle stores its members as they are")
    if info.file_size != info.compress_size or info.file_size > LARGEST:
        raise BundleError(f"member {info.filename!r} declares {info.file_size} bytes and stores {info.compress_size}")


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as member:
        data = member.read(info.file_size + 1)
    if len(data) != info.file_size:
        raise BundleError(f"member {info.filename!r} declares {info.file_size} bytes and has {len(data)}")
    return data


def _check_size(total: int, members: Mapping[str, bytes]) -> None:
    """Every byte belongs to a member: nothing before, between or behind them."""
    heads = sum(LOCAL_HEADER + CENTRAL_HEADER + 2 * len(name.encode()) for name in members)
    wanted = END_RECORD + heads + sum(map(len, members.values()))
    if total != wanted:
        raise BundleError(f"the bundle has {total} bytes, its members account for {wanted}")
