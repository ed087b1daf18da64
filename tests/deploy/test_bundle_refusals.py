# SPDX-License-Identifier: Apache-2.0
"""What a bundle must not say: each case refused with one sentence, whatever was done to the file."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from td3_driving.deploy.bundle import (
    CONTENT,
    MANIFEST,
    MODEL,
    SIGNATURE,
    private_key,
    public_key,
    read_bundle,
)
from td3_driving.deploy.bundle_archive import BundleError, pack
from td3_driving.deploy.runtime import start

from ..nodes.policy_bundle import make_bundle, small_settings
from .tampered import GOOD, KEY, OTHER_KEY, members, refusal, resealed, zipfile_members


def test_the_untouched_bundle_is_taken() -> None:
    assert start(read_bundle(GOOD, KEY.public_key())).bundle.signed == "verified"
    assert start(read_bundle(resealed({}))).bundle.signed == "no"


# Hashes and signatures.


@pytest.mark.parametrize("name", CONTENT)
def test_altered_member_is_refused(name: str) -> None:
    data = members()
    data[name] = data[name][:-1] + bytes([data[name][-1] ^ 1])
    assert refusal(pack(data)) == f"the SHA-256 of {name} is not the one in the manifest: the bundle was altered"


def test_missing_signature_is_refused_where_a_key_is_required() -> None:
    data = members()
    del data[SIGNATURE]
    assert "not signed" in refusal(pack(data), KEY)


def test_signature_of_another_key_is_refused() -> None:
    assert "not made with the required key" in refusal(GOOD, OTHER_KEY)


@pytest.mark.parametrize("signature", [b"", bytes(64), bytes(65)])
def test_bad_signature_is_refused(signature: bytes) -> None:
    assert "not made with the required key" in refusal(pack(members() | {SIGNATURE: signature}), KEY)


def test_forged_content_with_the_old_signature_is_refused() -> None:
    forged = dict(zipfile_members(resealed({"provenance.json": b"{}"})))
    assert "not made with the required key" in refusal(pack(forged | {SIGNATURE: members()[SIGNATURE]}), KEY)


@pytest.mark.parametrize("text", ["", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_files_that_hold_no_key_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key.pem"
    file.write_text(text)
    for read in (private_key, public_key):
        with pytest.raises(BundleError, match="Ed25519"):
            read(file)
        with pytest.raises(BundleError, match="Ed25519"):
            read(tmp_path / "absent.pem")


# Manifest, contract, provenance, golden observations.


@pytest.mark.parametrize("name", [MODEL, "contract.json", "golden/actions.npy", MANIFEST])
def test_missing_member_is_named(name: str) -> None:
    data = members()
    del data[name]
    assert refusal(pack(data)) == f"the bundle lacks {name}"


@pytest.mark.parametrize(
    "manifest",
    [b"", b"[]", b"{", b'{"format": 2}', b'{"format": 2, "members": {}}', b"\xff\xfe", b"[" * 100_000],
)
def test_bad_manifest_is_refused(manifest: bytes) -> None:
    assert MANIFEST in refusal(pack(members() | {MANIFEST: manifest}))


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (1, "of format 1, whose policy sees something else than one of format 2"),
        (3, "of format 3, newer than format 2"),
        (None, "does not say that it is of format 2"),
        (True, "does not say that it is of format 2"),
        (2.0, "does not say that it is of format 2"),
    ],
)
def test_bundle_of_another_format_is_refused_with_what_to_do(found: object, told: str) -> None:
    listed = json.loads(members()[MANIFEST])["members"]
    sentence = refusal(pack(members() | {MANIFEST: json.dumps({"format": found, "members": listed}).encode()}))
    assert told in sentence
    assert ("train again" in sentence) is (found == 1 and found is not True)


def test_enormous_json_is_not_read() -> None:
    assert "at most" in refusal(pack(members() | {MANIFEST: b" " * (2**20 + 1)}))


def test_contract_of_other_software_is_refused() -> None:
    contract = json.loads(members()["contract.json"])
    contract["inputs"]["state"]["elements"][0]["divided_by"] = 27.8
    assert "contract mismatch" in refusal(resealed({"contract.json": json.dumps(contract).encode()}))
    assert "no number" in refusal(resealed({"contract.json": b'{"format": NaN}'}))
    assert "no table" in refusal(resealed({"provenance.json": b"3"}))


def test_contract_of_another_network_is_refused() -> None:
    other = zipfile_members(make_bundle(small_settings(observation__stack=2)))
    names = [name for name in CONTENT if name != MODEL]
    assert "contract mismatch: the model's inputs" in refusal(resealed({name: other[name] for name in names}))


def npy(array: np.ndarray, pickle: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=pickle)
    return buffer.getvalue()


def test_golden_mismatch_is_refused() -> None:
    actions = np.load(io.BytesIO(members()["golden/actions.npy"]))
    actions[3, 0] += 1e-3
    assert "golden observation 3" in refusal(resealed({"golden/actions.npy": npy(actions)}))
    actions[3, 0] -= 1e-3 - 2e-5
    start(read_bundle(resealed({"golden/actions.npy": npy(actions)})))


def test_golden_image_must_give_the_golden_frame() -> None:
    frame = np.load(io.BytesIO(members()["golden/frame.npy"]))
    assert "levels from the recorded one" in refusal(resealed({"golden/frame.npy": npy(255 - frame)}))


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((16, 3), np.float32), "the contract asks for"),
        (np.zeros((16, 2), np.float64), "the contract asks for"),
        (np.zeros((0, 2), np.float32), "the contract asks for"),
        (np.array(1.0, np.float32), "the contract asks for"),
        (np.full((16, 2), np.nan, np.float32), "not finite"),
    ],
)
def test_golden_actions_of_another_form_are_refused(array: np.ndarray, reason: str) -> None:
    assert reason in refusal(resealed({"golden/actions.npy": npy(array)}))


def test_pickles_and_damaged_arrays_are_refused() -> None:
    pickled = npy(np.array([{"a": 1}], dtype=object), pickle=True)
    header = members()["golden/actions.npy"]
    huge = header.replace(b"(16, 2)", b"(99999999999, 2)")
    for data in (pickled, header[:-3], header + b"x", b"", b"\x93NUMPY\x01\x00\xff\xff", huge):
        assert "golden/actions.npy" in refusal(resealed({"golden/actions.npy": data}))
