# SPDX-License-Identifier: Apache-2.0
"""What the archive of a bundle must not be: each case refused with one sentence."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from td3_driving.deploy import bundle_archive
from td3_driving.deploy.bundle import (
    CONTENT,
    MODEL,
    SIGNATURE,
    open_bundle,
    read_bundle,
)
from td3_driving.deploy.bundle_archive import LARGEST, BundleError, pack, unpack

from .tampered import GOOD, KEY, members, refusal


def zipped(write: Callable[[zipfile.ZipFile], object]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members().items():
            archive.writestr(name, data)
        write(archive)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["../policy.onnx", "golden/../../x", "..\\x", "/etc/passwd", "\\x", "C:\\x", "a/.."])
def test_names_that_lead_outside_are_refused(name: str) -> None:
    assert "outside of the bundle" in refusal(zipped(lambda archive: archive.writestr(name, b"x")))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicate_member_is_refused() -> None:
    assert "more than once" in refusal(zipped(lambda archive: archive.writestr(MODEL, b"x")))


@pytest.mark.parametrize("name", ["readme.txt", "golden/", "POLICY.ONNX", "policy.onnx "])
def test_further_member_is_refused(name: str) -> None:
    assert "does not belong" in refusal(zipped(lambda archive: archive.writestr(name, b"")))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO])
def test_links_and_special_files_are_refused(kind: int) -> None:
    info = zipfile.ZipInfo(SIGNATURE)
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16
    data = members()
    del data[SIGNATURE]
    buffer = io.BytesIO(pack(data))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(info, "/etc/passwd")
    assert "link or another special file" in refusal(buffer.getvalue())


def test_compressed_member_is_refused_before_it_is_unpacked() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MODEL, bytes(50 * 2**20))
    assert len(buffer.getvalue()) < 100_000
    assert "is compressed" in refusal(buffer.getvalue())


def patched(data: bytes, name: str, offset: int, form: str, value: int) -> bytes:
    """The archive with a field of the central directory's entry of ``name`` overwritten."""
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(name.encode()))
    changed = bytearray(data)
    struct.pack_into(form, changed, at + offset, value)
    return bytes(changed)


def test_encrypted_member_is_refused() -> None:
    assert "is encrypted" in refusal(patched(pack(members()), MODEL, 8, "<H", 1))


@pytest.mark.parametrize("size", [0, 10, 2**30, 2**32 - 2])
def test_declared_size_that_is_not_the_stored_one_is_refused(size: int) -> None:
    assert "declares" in refusal(patched(pack(members()), MODEL, 24, "<I", size))


def test_sizes_beyond_the_end_of_the_file_are_refused() -> None:
    data = pack(members())
    for offset in (20, 24):
        data = patched(data, MODEL, offset, "<I", 200 * 2**20)
    assert "damaged" in refusal(data) or "declares" in refusal(data)


def test_smaller_sizes_in_both_places_leave_bytes_without_owner() -> None:
    content = members()
    stored = content[MODEL]
    data = pack(content)
    for offset in (20, 24):
        data = patched(data, MODEL, offset, "<I", len(stored) - 100)
    data = patched(data, MODEL, 16, "<I", zlib.crc32(stored[:-100]))
    assert "members account for" in refusal(data)


@pytest.mark.parametrize("place", ["before", "behind", "comment"])
def test_bytes_of_no_member_are_refused(place: str) -> None:
    data = pack(members())
    if place == "comment":
        buffer = io.BytesIO(data)
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.comment = b"hello"
        data = buffer.getvalue()
    else:
        data = b"#!/bin/sh\n" + data if place == "before" else data + b"more"
    reason = refusal(data)
    assert "members account for" in reason or "damaged" in reason


def test_oversized_files_are_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_archive, "LARGEST", 1000)
    file = tmp_path / "policy.zip"
    file.write_bytes(bytes(1001))
    with pytest.raises(BundleError, match="more than the 1000 bytes"):
        open_bundle(file)
    with pytest.raises(BundleError, match="more than the 1000"):
        unpack(bytes(1001), CONTENT)
    assert LARGEST >= 64 * 2**20


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "absent.zip", tmp_path, tmp_path / "pipe"):
        with pytest.raises(BundleError, match=r"cannot be read|no regular file"):
            open_bundle(path)


@given(st.integers(0, len(GOOD) - 1))
@settings(max_examples=60, deadline=None)
def test_truncated_bundle_is_refused(length: int) -> None:
    refusal(GOOD[:length])


@given(st.binary(max_size=2000))
@settings(max_examples=100, deadline=None)
def test_random_bytes_are_no_bundle(data: bytes) -> None:
    refusal(data)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_any_changed_byte_is_refused_or_changes_nothing(position: int, difference: int) -> None:
    """Fields of the zip headers that carry no content may change; what is read stays the signed content."""
    changed = bytearray(GOOD)
    changed[position] ^= difference
    try:
        bundle = read_bundle(bytes(changed), KEY.public_key())
    except BundleError:
        return
    assert bundle.digest == read_bundle(GOOD).digest
    assert bundle.model == read_bundle(GOOD).model
