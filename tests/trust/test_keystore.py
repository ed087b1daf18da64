# SPDX-License-Identifier: Apache-2.0
"""The keystore of SROS 2, judged by OpenSSL's own program and by the layout that ROS 2 reads."""

from __future__ import annotations

import shutil
import subprocess
from datetime import datetime, timezone
from fnmatch import fnmatch
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("cryptography", reason="the extra deploy is not installed")

from td3_driving.driving import topics
from td3_driving.launching.enclaves import PUBLISHES, WHOLE, enclaves, main, rights
from td3_driving.trust.keystore import KeystoreError, make_keystore

NOW = datetime.now(timezone.utc)
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no program openssl")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys") / "store"
    make_keystore(folder, enclaves(), NOW)
    return folder


def openssl(*words: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, timeout=60, check=False)


def test_every_enclave_has_the_files_that_ros_2_reads(store: Path) -> None:
    names = ("identity_ca.cert.pem", "permissions_ca.cert.pem", "cert.pem", "key.pem", "governance.p7s")
    for name in enclaves():
        place = store / "enclaves" / name.lstrip("/")
        assert all((place / file).is_file() for file in (*names, "permissions.p7s")), name
        assert (place / "key.pem").stat().st_mode & 0o777 == 0o600
    assert (store / "private").stat().st_mode & 0o777 == 0o700


@needs_openssl
def test_openssl_finds_every_signature_good_and_no_changed_document(store: Path, tmp_path: Path) -> None:
    authority = store / "public/ca.cert.pem"
    signed = [store / "enclaves/governance.p7s", *store.glob("enclaves/td3_driving/*/permissions.p7s")]
    assert len(signed) == 1 + len(enclaves())
    for path in signed:
        done = openssl("cms", "-verify", "-text", "-in", path, "-CAfile", authority)
        assert done.returncode == 0, done.stderr
        assert done.stdout.replace(b"\r\n", b"\n") == path.with_suffix(".xml").read_bytes()
    forged = tmp_path / "forged.p7s"
    forged.write_bytes(signed[0].read_bytes().replace(b"false", b"true ", 1))
    assert openssl("cms", "-verify", "-text", "-in", forged, "-CAfile", authority).returncode != 0


@needs_openssl
def test_every_certificate_is_of_the_authority_and_names_its_enclave(store: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    make_keystore(other, {"/x": rights("recorder")}, NOW)
    for name in enclaves():
        certificate = store / "enclaves" / name.lstrip("/") / "cert.pem"
        assert openssl("verify", "-CAfile", store / "public/ca.cert.pem", certificate).returncode == 0
        assert openssl("verify", "-CAfile", other / "public/ca.cert.pem", certificate).returncode != 0
        said = openssl("x509", "-in", certificate, "-noout", "-subject", "-nameopt", "RFC2253").stdout.decode()
        assert said.strip().removeprefix("subject=").strip() == f"CN={name}"


def allowed(store: Path, name: str, kind: str) -> list[str]:
    """The topics that the document of an enclave allows."""
    document = ElementTree.parse(store / "enclaves" / name.lstrip("/") / "permissions.xml")
    assert document.findtext(".//subject_name") == f"CN={name}" and document.findtext(".//default") == "DENY"
    return [topic.text or "" for topic in document.iterfind(f".//allow_rule/{kind}/topics/topic")]


@pytest.mark.parametrize(
    ("topic", "node"),
    [
        (topics.REPLAY, "policy"),
        (topics.COMMAND, "policy"),
        (topics.POLICY_WEIGHTS, "learner"),
        (topics.LEARNER_STATUS, "learner"),
        (topics.GUARD, "diagnostics"),
        (topics.IMAGE, "simulator"),
    ],
)
def test_a_node_may_publish_what_is_its_own_and_no_other_what_is_sealed(store: Path, topic: str, node: str) -> None:
    owners = {
        other
        for other in PUBLISHES
        if any(fnmatch(f"rt/{topic}", pattern) for pattern in allowed(store, f"/td3_driving/{other}", "publish"))
    }
    # The simulator's rights go by the prefix carla/.
    assert owners == {node} | ({"simulator"} if topic.startswith("carla/") else set())
    assert any(fnmatch(f"rt/{topic}", pattern) for pattern in allowed(store, WHOLE, "publish"))


def test_a_folder_that_holds_something_is_left_alone(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (store / "public/ca.cert.pem").read_bytes()
    with pytest.raises(KeystoreError, match="is not empty"):
        make_keystore(store, enclaves(), NOW)
    assert main([str(store)]) == 2 and "is not empty" in capsys.readouterr().err
    assert (store / "public/ca.cert.pem").read_bytes() == before
