# SPDX-License-Identifier: Apache-2.0
"""Bundles that somebody tampered with, and how they are refused."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from td3_driving.deploy.bundle import (
    CONTENT,
    MANIFEST,
    read_bundle,
)
from td3_driving.deploy.bundle_archive import BundleError, pack
from td3_driving.deploy.contract import FORMAT
from td3_driving.deploy.runtime import start

from ..nodes.policy_bundle import KEY, make_bundle

GOOD = make_bundle(key=KEY)
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
Members = dict[str, bytes]


def members() -> Members:
    with zipfile.ZipFile(io.BytesIO(GOOD)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def resealed(changes: Members) -> bytes:
    """The bundle with other contents and hashes that fit them: what somebody without the key can make."""
    content = {name: data for name, data in members().items() if name in CONTENT} | changes
    listed = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in content.items()}
    manifest = json.dumps({"format": FORMAT, "members": listed}).encode()
    return pack(content | {MANIFEST: manifest})


def refusal(data: bytes, key: Ed25519PrivateKey | None = None) -> str:
    """The sentence with which the bundle is refused."""
    with pytest.raises(BundleError) as caught:
        start(read_bundle(data, None if key is None else key.public_key()))
    text = str(caught.value)
    assert text and "\n" not in text.strip() and "Traceback" not in text
    return text


def zipfile_members(data: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
