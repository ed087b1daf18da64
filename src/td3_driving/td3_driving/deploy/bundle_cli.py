# SPDX-License-Identifier: Apache-2.0
"""``td3-driving bundle``: what a bundle is, and whether it is sound."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from td3_driving.deploy.bundle import Bundle, public_key
from td3_driving.deploy.bundle_archive import BundleError
from td3_driving.deploy.runtime import load
from td3_driving.doctor.command_line import CommandParser
from td3_driving.settings import LocalisationSettings


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a bundle as the vehicle does; 0 when it is sound, 2 with one sentence when it is refused."""
    asked = _parser().parse_args(arguments)
    try:
        key = None if asked.public_key is None else public_key(asked.public_key)
        bundle = load(asked.bundle, key).bundle
    except BundleError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(as_json(bundle) if asked.json else as_text(bundle))
    return 0


def as_json(bundle: Bundle) -> str:
    """Return digest, signature, contract and provenance as JSON."""
    content = {
        "bundle": bundle.digest,
        "signature": bundle.signed,
        "contract": bundle.contract.as_mapping(),
        "provenance": bundle.provenance,
    }
    return json.dumps(content, indent=2, sort_keys=True)


def as_text(bundle: Bundle) -> str:
    """Return a summary of a bundle as lines of text."""
    contract, told = bundle.contract, bundle.provenance
    seen, error = contract.observation, contract.localisation
    doctor = told.get("doctor")
    rows = {
        "bundle": bundle.digest,
        "signature": bundle.signed,
        "frames": f"{seen.stack} of {seen.frame_width}x{seen.frame_height} at {1.0 / contract.frame_time:g} Hz, "
        f"{seen.colour}, {seen.stack_stride} apart",
        "camera": f"{contract.camera[0]}x{contract.camera[1]}, {contract.camera[2]:g} deg",
        "state": f"{seen.state}, {contract.state_size} elements",
        "positions": "exact" if error is None else _errors(error),
        "configuration": told.get("config_hash", "unknown"),
        "training": f"{told.get('updates', '?')} updates, {told.get('steps', '?')} steps",
        "run doctor": doctor.get("verdict") if isinstance(doctor, dict) else "not judged",
    }
    return "\n".join(f"{name:<14} {value}" for name, value in rows.items())


def _errors(error: LocalisationSettings) -> str:
    """What was wrong with the positions and headings of the training."""
    offset = f"an offset of {error.position_bias:g} m" if error.position_bias else "no offset"
    return f"off by {error.position_noise:g} m with {offset}, headings by {error.heading_noise:g} rad, in training"


def _parser() -> CommandParser:
    parser = CommandParser("td3-driving bundle", description="Check a bundle and say what it is.")
    parser.add_argument("bundle", type=Path, help="from td3-driving export")
    parser.add_argument("--public-key", type=Path, metavar="PEM", help="the bundle must be signed for this Ed25519 key")
    parser.add_argument("--json", action="store_true", help="print contract and provenance as JSON")
    return parser
