# SPDX-License-Identifier: Apache-2.0
"""Makes a keystore of SROS 2: certificates, keys, and signed documents that say who may publish what.

Layout and file names are those of the program ``ros2 security`` (ROS 2 design article "DDS-Security integration");
documents are those of OMG DDS Security 1.1, sections 9.4.1.2 (governance) and 9.4.1.3 (permissions), signed as S/MIME.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from xml.sax.saxutils import escape

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs7
from cryptography.x509.oid import NameOID

YEARS = 10
"""How long certificates and permissions hold."""
LAST_DOMAIN = 232
XSD = "http://www.omg.org/spec/DDS-SECURITY/20170901/omg_shared_ca_"


class KeystoreError(ValueError):
    """The keystore cannot be made."""


@dataclass(frozen=True, slots=True)
class Rights:
    """DDS topics that an enclave may use; ``*`` stands for any letters.

    Attributes:
        publish, subscribe: names as DDS has them: ``rt/`` before those of topics, ``rq/`` and ``rr/`` of services.
    """

    publish: Sequence[str]
    subscribe: Sequence[str] = ("*",)


@dataclass(frozen=True, slots=True)
class _Authority:
    """The certificate authority of a keystore."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    until: datetime

    def sign(self, document: str) -> bytes:
        """``document`` in clear, with its signature behind it."""
        builder = pkcs7.PKCS7SignatureBuilder().set_data(document.encode())
        builder = builder.add_signer(self.certificate, self.key, hashes.SHA256())
        return builder.sign(Encoding.SMIME, [pkcs7.PKCS7Options.Text, pkcs7.PKCS7Options.DetachedSignature])


def make_keystore(folder: Path, enclaves: Mapping[str, Rights], now: datetime) -> None:
    """Make a keystore in ``folder``.

    Args:
        enclaves: name, such as ``/td3_driving/policy``, and rights of each.
        now: begin of its validity.

    Raises:
        KeystoreError: the folder exists and is not empty.
        OSError: it cannot be written.
    """
    if folder.exists() and any(folder.iterdir()):
        raise KeystoreError(f"{folder} is not empty; name a new folder, for new keys make the old ones useless")
    authority = _authority(now)
    for name in ("public", "private", "enclaves"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "private").chmod(0o700)
    (folder / "public/ca.cert.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    _write_key(folder / "private/ca.key.pem", authority.key)
    for role in ("identity_ca", "permissions_ca"):
        (folder / f"public/{role}.cert.pem").symlink_to("ca.cert.pem")
        (folder / f"private/{role}.key.pem").symlink_to("ca.key.pem")
    _write_signed(folder / "enclaves/governance", governance(), authority)
    for name, rights in enclaves.items():
        _make_enclave(folder, name, rights, authority, now)


def governance() -> str:
    """Who may join, and what is encrypted: nobody unknown, and everything."""
    rules = "".join(
        f"<{tag}>true</{tag}>"
        for tag in (
            *("enable_discovery_protection", "enable_liveliness_protection"),
            *("enable_read_access_control", "enable_write_access_control"),
        )
    )
    return _document(
        "governance",
        f"""<domain_access_rules><domain_rule>{_domains()}
<allow_unauthenticated_participants>false</allow_unauthenticated_participants>
<enable_join_access_control>true</enable_join_access_control>
<discovery_protection_kind>ENCRYPT</discovery_protection_kind>
<liveliness_protection_kind>ENCRYPT</liveliness_protection_kind>
<rtps_protection_kind>SIGN</rtps_protection_kind>
<topic_access_rules><topic_rule><topic_expression>*</topic_expression>{rules}
<metadata_protection_kind>ENCRYPT</metadata_protection_kind>
<data_protection_kind>ENCRYPT</data_protection_kind>
</topic_rule></topic_access_rules></domain_rule></domain_access_rules>""",
    )


def permissions(name: str, rights: Rights, now: datetime, until: datetime) -> str:
    """What the enclave ``name`` may do; all else is denied."""
    kinds = (("publish", rights.publish), ("subscribe", rights.subscribe))
    parts = "\n".join(
        f"<{kind}><topics>{''.join(f'<topic>{escape(topic)}</topic>' for topic in topics)}</topics></{kind}>"
        for kind, topics in kinds
        if topics
    )
    return _document(
        "permissions",
        f"""<permissions><grant name="{escape(name)}"><subject_name>CN={escape(name)}</subject_name>
<validity><not_before>{now:%Y-%m-%dT%H:%M:%S}</not_before><not_after>{until:%Y-%m-%dT%H:%M:%S}</not_after></validity>
<allow_rule>{_domains()}
{parts}
</allow_rule><default>DENY</default></grant></permissions>""",
    )


def _document(kind: str, body: str) -> str:
    schema = f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="{XSD}{kind}.xsd"'
    return f'<?xml version="1.0" encoding="utf-8"?>\n<dds {schema}>\n{body}\n</dds>\n'


def _domains() -> str:
    return f"<domains><id_range><min>0</min><max>{LAST_DOMAIN}</max></id_range></domains>"


def _authority(now: datetime) -> _Authority:
    key, until = ec.generate_private_key(ec.SECP256R1()), now + timedelta(days=365 * YEARS)
    name = _name("td3_driving CA")
    constraints = x509.BasicConstraints(ca=True, path_length=1)
    builder = _certificate(name, name, key, now, until).add_extension(constraints, critical=True)
    return _Authority(key, builder.sign(key, hashes.SHA256()), until)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now.astimezone(timezone.utc)).not_valid_after(until.astimezone(timezone.utc))


def _make_enclave(folder: Path, name: str, rights: Rights, authority: _Authority, now: datetime) -> None:
    place = folder / "enclaves" / name.lstrip("/")
    place.mkdir(parents=True)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _certificate(_name(name), authority.certificate.subject, key, now, authority.until)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    certificate = builder.sign(authority.key, hashes.SHA256())
    (place / "cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    _write_key(place / "key.pem", key)
    for link in ("identity_ca.cert.pem", "permissions_ca.cert.pem"):
        (place / link).symlink_to(os.path.relpath(folder / "public" / link, place))
    (place / "governance.p7s").symlink_to(os.path.relpath(folder / "enclaves/governance.p7s", place))
    _write_signed(place / "permissions", permissions(name, rights, now, authority.until), authority)


def _write_signed(path: Path, document: str, authority: _Authority) -> None:
    path.with_suffix(".xml").write_text(document, encoding="utf-8")
    path.with_suffix(".p7s").write_bytes(authority.sign(document))


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
