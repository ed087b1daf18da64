# SPDX-License-Identifier: Apache-2.0
"""The bundle: everything a vehicle needs to drive by a policy, in one verifiable file.

==========================  =====================================================================================
``policy.onnx``             the network, all scaling inside
``contract.json``           what it expects and gives, see :mod:`td3_driving.deploy.contract`
``provenance.json``         how it was trained: configuration and its hash, versions, steps, the doctor's verdict
``golden/frames.npy`` …     observations with the actions that the trained network gave
``golden/image.npy`` …      a camera image with the frame that the training code made of it
``manifest.json``           size and SHA-256 of every other member; its own SHA-256 names the bundle
``signature.ed25519``       64 bytes, signature of ``manifest.json``; optional
==========================  =====================================================================================
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from numpy.typing import NDArray

from td3_driving.deploy.bundle_archive import BundleError, pack, read_file, unpack
from td3_driving.deploy.contract import FORMAT, Contract, ContractError, check_format, read_contract

MODEL, CONTRACT, PROVENANCE = "policy.onnx", "contract.json", "provenance.json"
MANIFEST, SIGNATURE = "manifest.json", "signature.ed25519"
GOLDEN = ("frames", "states", "actions", "image", "frame")
CONTENT = (MODEL, CONTRACT, PROVENANCE, *(f"golden/{name}.npy" for name in GOLDEN))
MEMBERS = (*CONTENT, MANIFEST, SIGNATURE)
GOLDEN_ENCODING = "bgra8"
"""Encoding of the golden camera image."""
LONGEST_JSON = 2**20
"""Bytes that a JSON member may have."""


@dataclass(frozen=True, eq=False)
class Golden:
    """Reference data that the network and the observation code must reproduce.

    Attributes:
        frames: (N, frames times planes, height, width) uint8; states: (N, state size) float32; actions: (N, 2) float32.
        image: (rows, columns, 4) uint8 camera image; frame: uint8, what the policy saw of it, see
            :func:`td3_driving.driving.observation.frame_shape`.
    """

    frames: NDArray[np.uint8]
    states: NDArray[np.float32]
    actions: NDArray[np.float32]
    image: NDArray[np.uint8]
    frame: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle whose hashes, signature and contract were checked.

    Attributes:
        digest: SHA-256 of the manifest, hexadecimal: the name of the bundle.
        signed: "verified", "unverified" (no key was given), or "no".
        provenance: plain data.
    """

    digest: str
    signed: str
    contract: Contract
    provenance: dict[str, Any]
    model: bytes
    golden: Golden

    @property
    def short(self) -> str:
        """The first 12 digits of :attr:`digest`."""
        return self.digest[:12]


def write_bundle(
    contract: Contract, provenance: Mapping[str, Any], model: bytes, golden: Golden, key: Ed25519PrivateKey | None
) -> bytes:
    """The bytes of a bundle; equal arguments give equal bytes (Ed25519 signatures are deterministic)."""
    members = {MODEL: model, CONTRACT: _json(contract.as_mapping()), PROVENANCE: _json(provenance)}
    for name in GOLDEN:
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(getattr(golden, name)), allow_pickle=False)
        members[f"golden/{name}.npy"] = buffer.getvalue()
    listed = {name: {"bytes": len(data), "sha256": _sha256(data)} for name, data in sorted(members.items())}
    members[MANIFEST] = _json({"format": FORMAT, "members": listed})
    if key is not None:
        members[SIGNATURE] = key.sign(members[MANIFEST])
    return pack(members)


def open_bundle(path: Path, key: Ed25519PublicKey | None = None) -> Bundle:
    """Read a bundle file; see :func:`read_bundle`."""
    return read_bundle(read_file(path), key)


def read_bundle(data: bytes, key: Ed25519PublicKey | None = None) -> Bundle:
    """Run all checks of a bundle that need no inference.

    Args:
        key: when given, the bundle must be signed with its private half.

    Raises:
        BundleError: one sentence on what is wrong.
    """
    members = unpack(data, MEMBERS)
    missing = [name for name in (*CONTENT, MANIFEST) if name not in members]
    if missing:
        raise BundleError(f"the bundle lacks {', '.join(missing)}")
    signed = _check_signature(members, key)
    _check_hashes(members)
    try:
        contract = read_contract(_parse(CONTRACT, members[CONTRACT]))
    except ContractError as error:
        raise BundleError(str(error)) from error
    provenance = _parse(PROVENANCE, members[PROVENANCE])
    if not isinstance(provenance, dict):
        raise BundleError(f"{PROVENANCE} is no table")
    return Bundle(_sha256(members[MANIFEST]), signed, contract, provenance, members[MODEL], _golden(members, contract))


def private_key(path: Path) -> Ed25519PrivateKey:
    """The key in a PEM file.

    Raises:
        BundleError: it holds no unencrypted Ed25519 private key.
    """
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BundleError(f"{path} holds no unencrypted Ed25519 private key (PEM): {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BundleError(f"{path} holds a key that is not Ed25519")
    return key


def public_key(path: Path) -> Ed25519PublicKey:
    """The key in a PEM file.

    Raises:
        BundleError: it holds no Ed25519 public key.
    """
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise BundleError(f"{path} holds no Ed25519 public key (PEM): {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise BundleError(f"{path} holds a key that is not Ed25519")
    return key


def _check_signature(members: Mapping[str, bytes], key: Ed25519PublicKey | None) -> str:
    if key is None:
        return "unverified" if SIGNATURE in members else "no"
    if SIGNATURE not in members:
        raise BundleError("the bundle is not signed, and a signature is required")
    try:
        key.verify(members[SIGNATURE], members[MANIFEST])
    except InvalidSignature:
        raise BundleError("the signature of the bundle was not made with the required key") from None
    return "verified"


def _check_hashes(members: Mapping[str, bytes]) -> None:
    manifest = _parse(MANIFEST, members[MANIFEST])
    listed = manifest.get("members") if isinstance(manifest, dict) else None
    if not isinstance(listed, dict):
        raise BundleError(f"{MANIFEST} lists no members")
    try:
        check_format(manifest)
    except ContractError as error:
        raise BundleError(f"{MANIFEST}: {error}") from error
    if set(listed) != set(CONTENT):
        raise BundleError(f"{MANIFEST} does not list the members of a bundle: {sorted(map(str, listed))}")
    for name in CONTENT:
        if listed[name] != {"bytes": len(members[name]), "sha256": _sha256(members[name])}:
            raise BundleError(f"the SHA-256 of {name} is not the one in the manifest: the bundle was altered")


def _golden(members: Mapping[str, bytes], contract: Contract) -> Golden:
    golden = Golden(**{name: _array(f"golden/{name}.npy", members) for name in GOLDEN})
    count = len(golden.actions) if golden.actions.ndim else 0
    wanted = {
        "frames": ((count, *contract.frames_shape), np.uint8),
        "states": ((count, contract.state_size), np.float32),
        "actions": ((count, 2), np.float32),
        "image": ((*golden.image.shape[:2], 4), np.uint8),
        "frame": (contract.frame_shape, np.uint8),
    }
    for name, (shape, dtype) in wanted.items():
        array = getattr(golden, name)
        if array.shape != shape or array.dtype != dtype or not array.size:
            raise BundleError(f"golden/{name}.npy is {array.shape} {array.dtype}, the contract asks for {shape}")
        if array.dtype == np.float32 and not np.isfinite(array).all():
            raise BundleError(f"golden/{name}.npy is not finite")
    return golden


def _array(name: str, members: Mapping[str, bytes]) -> NDArray[Any]:
    """A plain array; what NumPy would unpickle is refused."""
    file = io.BytesIO(members[name])
    try:
        array = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, TypeError, EOFError, MemoryError, OverflowError) as error:
        raise BundleError(f"{name} is no plain array: {' '.join(str(error).split())}") from error
    if file.read(1):
        raise BundleError(f"{name} has bytes behind its array")
    return np.asarray(array)


def _parse(name: str, data: bytes) -> Any:
    if len(data) > LONGEST_JSON:
        raise BundleError(f"{name} has {len(data)} bytes, at most {LONGEST_JSON} are read")
    try:
        return json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{name} is no JSON: {error}") from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
