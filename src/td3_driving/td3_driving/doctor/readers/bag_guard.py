# SPDX-License-Identifier: Apache-2.0
"""Refuses bags with compressed parts that unpack to more than a bag needs, before they are opened."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO, Iterator

from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.readers.bounds import open_regular

LARGEST_CHUNK = 64 * 2**20
LARGEST_METADATA = 4 * 2**20
MAGIC = b"\x89MCAP0\r\n"
CHUNK = 6
_RECORD = struct.Struct("<BQ")


def check_bag(path: Path) -> None:
    """Look at a bag file, or at all files of a bag folder.

    Raises:
        Unusable: it is packed as a whole, or a chunk of an MCAP file grows beyond 64 MiB.
    """
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        if file.suffix == ".zstd":
            raise Unusable(f"{path} is packed as a whole; unpack {file.name} first")
        if file.name == "metadata.yaml" and file.is_file() and file.stat().st_size > LARGEST_METADATA:
            raise Unusable(f"{file} is larger than {LARGEST_METADATA:,} bytes")
        if file.suffix == ".mcap":
            _check_mcap(file)


def _check_mcap(path: Path) -> None:
    with open_regular(path) as file:
        for compression, size, packed in _chunks(file, path):
            if size > LARGEST_CHUNK or not _fits(compression, packed):
                raise Unusable(f"{path} has a chunk that unpacks to more than {LARGEST_CHUNK:,} bytes, or to nothing")


def _chunks(file: BinaryIO, path: Path) -> Iterator[tuple[str, int, bytes]]:
    """Compression, stated size and packed content of every chunk of an MCAP file."""
    if file.read(len(MAGIC)) != MAGIC:
        return
    while len(head := file.read(_RECORD.size)) == _RECORD.size:
        kind, length = _RECORD.unpack(head)
        if kind != CHUNK:
            file.seek(min(length, 2**62), 1)
            continue
        if length > LARGEST_CHUNK:
            raise Unusable(f"{path} has a chunk of {length:,} bytes, more than {LARGEST_CHUNK:,}")
        body = file.read(length)
        if len(body) < 40:
            return
        size, name_length = struct.unpack_from("<16xQ4xI", body)
        name = body[32 : 32 + name_length].decode("ascii", "replace")
        yield name, size, body[32 + name_length + 8 :]


def _fits(compression: str, packed: bytes) -> bool:
    """Whether ``packed`` is complete and unpacks to at most 64 MiB; no more than that is unpacked."""
    decompressor: Any
    broken: type[Exception]
    if compression == "zstd":
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
        decompressor, broken = zstd.ZstdDecompressor(), zstd.ZstdError
    elif compression == "lz4":
        from lz4.frame import LZ4FrameDecompressor

        decompressor, broken = LZ4FrameDecompressor(), RuntimeError
    else:
        return True
    try:
        unpacked = len(decompressor.decompress(packed, LARGEST_CHUNK + 1))
    except broken:
        return False
    return unpacked <= LARGEST_CHUNK and bool(decompressor.eof)
