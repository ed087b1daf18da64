"""What a bundle must not be: each case refused with one sentence, whatever was done to the file."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from policy_bundle import KEY, make_bundle, small_settings

from td3_driving.deploy import bundle_archive
from td3_driving.deploy.bundle import (
    CONTENT,
    MANIFEST,
    MODEL,
    SIGNATURE,
    open_bundle,
    private_key,
    public_key,
    read_bundle,
)
from td3_driving.deploy.bundle_archive import LARGEST, BundleError, pack, unpack
from td3_driving.deploy.runtime import start

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
    manifest = json.dumps({"format": 1, "members": listed}).encode()
    return pack(content | {MANIFEST: manifest})


def refusal(data: bytes, key: Ed25519PrivateKey | None = None) -> str:
    """The sentence with which the bundle is refused."""
    with pytest.raises(BundleError) as caught:
        start(read_bundle(data, None if key is None else key.public_key()))
    text = str(caught.value)
    assert text and "\n" not in text.strip() and "Traceback" not in text
    return text


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


def zipfile_members(data: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


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
    [b"", b"[]", b"{", b'{"format": 2, "members": {}}', b'{"format": 1, "members": {}}', b"\xff\xfe", b"[" * 100_000],
)
def test_bad_manifest_is_refused(manifest: bytes) -> None:
    assert MANIFEST in refusal(pack(members() | {MANIFEST: manifest}))


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
    assert "grey levels" in refusal(resealed({"golden/frame.npy": npy(255 - frame)}))


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


# The network.


def changed_model(change: Callable[[onnx.ModelProto], object]) -> str:
    model = onnx.load_model_from_string(members()[MODEL])
    change(model)
    return refusal(resealed({MODEL: model.SerializeToString()}))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weight_that_is_not_finite_is_refused(value: float) -> None:
    def change(model: onnx.ModelProto) -> None:
        weight = numpy_helper.to_array(model.graph.initializer[2]).copy()
        weight.flat[1] = value
        model.graph.initializer[2].CopyFrom(numpy_helper.from_array(weight, model.graph.initializer[2].name))

    assert "weight 'w2' is not finite" in changed_model(change)


def test_finite_but_other_weights_do_not_reproduce_the_golden_actions() -> None:
    def change(model: onnx.ModelProto) -> None:
        last = model.graph.initializer[-1]
        last.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(last) + np.float32(0.01), last.name))

    assert "golden observation" in changed_model(change)


def test_weights_in_another_file_are_refused() -> None:
    def change(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="/etc/passwd")

    assert "weight 'w0' lies in another file" in changed_model(change)


@pytest.mark.parametrize("operator", ["If", "Loop", "Identity", "RandomNormal"])
def test_operators_that_no_policy_needs_are_refused(operator: str) -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node[1].op_type = operator

    assert f"operator '{operator}'" in changed_model(change)


def graph_attribute(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.append(helper.make_attribute("body", helper.make_graph([], "g", [], [])))


def half_weight(model: onnx.ModelProto) -> None:
    half = numpy_helper.from_array(np.zeros(3, np.float16), "w0")
    model.graph.initializer[0].CopyFrom(half)


def short_weight(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-4]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda model: setattr(model.graph.node[1], "domain", "com.custom"), "operator 'Conv'"),
        (lambda model: model.opset_import.append(helper.make_opsetid("com.custom", 1)), "operator sets"),
        (lambda model: setattr(model.opset_import[0], "version", 28), "operator sets"),
        (lambda model: model.functions.add(name="f"), "functions"),
        (lambda model: model.graph.node.extend([model.graph.node[0]] * 300), "operators, 1 .. 200"),
        (lambda model: model.graph.ClearField("node"), "0 operators"),
        (graph_attribute, "a tensor or a graph in 'body'"),
        (half_weight, "float16"),
        (short_weight, "cannot be read"),
        (lambda model: setattr(model.graph.input[0], "name", "x"), "contract mismatch: the model's inputs"),
        (lambda model: model.graph.output.add(name="y"), "contract mismatch: the model's outputs"),
    ],
)
def test_any_other_model_is_refused(change: Callable[[onnx.ModelProto], object], reason: str) -> None:
    assert reason in changed_model(change)


def test_disconnected_graph_is_refused_by_onnxruntime() -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node[2].input[0] = "nowhere"

    assert "onnxruntime refuses the model" in changed_model(change)


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_random_bytes_are_no_model(data: bytes) -> None:
    refusal(resealed({MODEL: data}))


# The archive.


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
