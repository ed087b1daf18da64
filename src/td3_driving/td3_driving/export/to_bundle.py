# SPDX-License-Identifier: Apache-2.0
"""``td3-driving export``: a trained policy as a bundle for a vehicle."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from td3_driving import __version__
from td3_driving.deploy.bundle import GOLDEN_ENCODING, Golden, private_key, read_bundle, write_bundle
from td3_driving.deploy.bundle_archive import BundleError
from td3_driving.deploy.contract import Contract, contract_of
from td3_driving.deploy.runtime import PolicyRuntime, start
from td3_driving.doctor.command_line import CommandParser
from td3_driving.driving.observation import camera_frame
from td3_driving.driving.state_vector import STATE_BOUND
from td3_driving.export.onnx_graph import model_bytes
from td3_driving.learning.agent_state import actor_weights
from td3_driving.learning.algorithms import make_actor
from td3_driving.learning.best import BEST, best_weights
from td3_driving.learning.checkpoint import CheckpointError, load_checkpoint
from td3_driving.learning.inference import ActorPolicy
from td3_driving.learning.weights import WeightsError, load_into, read_metadata, sha256_of
from td3_driving.runs.disk import require_places, write_whole
from td3_driving.runs.refusals import refuse
from td3_driving.runs.run_folder import RunFolderError, earlier_settings
from td3_driving.settings import Settings

GOLDEN_COUNT = 16
ROUND_TRIP = 1e-5
"""Largest difference between the action of torch and that of onnxruntime."""
ROUND_TRIPS = 48
"""Observations beside the golden ones on which the two are compared."""
PACKAGES = ("torch", "onnx", "onnxruntime", "numpy", "opencv-python-headless")
VERDICT = ("verdict", "causes", "insufficient")
"""Parts of the doctor's report that a bundle keeps."""
REFUSALS = (ValueError, CheckpointError, WeightsError, OSError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Export; 0, or 2 with one sentence when the run or the key cannot be used."""
    asked = _parser().parse_args(arguments)
    try:
        require_places(asked.output)
        key = None if asked.key is None else private_key(asked.key)
        data, difference = export_run(asked.run, key, asked.best)
        write_whole(asked.output, data)
    except REFUSALS as error:
        return refuse(error)
    bundle = read_bundle(data)
    verdict = (bundle.provenance["doctor"] or {}).get("verdict", "not judged")
    print(f"{asked.output}  {len(data)} bytes  {bundle.short}  {'signed' if key else 'not signed'}")
    print(f"{bundle.provenance['updates']} updates, {bundle.provenance['steps']} steps, run doctor: {verdict}")
    print(f"torch and onnxruntime differ by at most {difference:.1e}")
    if verdict == "NO-GO":
        print("warning: the run doctor advises against this run", file=sys.stderr)
    return 0


def export_run(run: Path, key: Ed25519PrivateKey | None = None, best: bool = False) -> tuple[bytes, float]:
    """The bundle of a policy in a run folder, and the largest difference of the round trip.

    Args:
        best: the policy with the best evaluation instead of the newest.

    Raises:
        RunFolderError, SettingsError: the folder holds no run.
        CheckpointError: it holds no checkpoint, or a foreign one.
        BundleError: the exported network does not act as the trained one.
    """
    settings = earlier_settings(run)
    manifest, report = _document(run / "manifest.json"), _document(run / "report.json")
    config_hash = str((manifest or {}).get("config_hash", settings.digest()))
    weights, evaluation = _best(run, config_hash) if best else (_newest(run, config_hash), None)
    counts = read_metadata(weights)
    provenance = {
        "software": {"td3_driving": __version__, **{name: metadata.version(name) for name in PACKAGES}},
        "config_hash": config_hash,
        "settings": settings.flat(),
        "updates": int(counts["version"]),
        "steps": int(counts["inserted"]),
        "evaluation": evaluation,
        "weights_sha256": sha256_of(weights),
        "manifest": manifest,
        "doctor": report and {name: report.get(name) for name in VERDICT},
    }
    return export_policy(settings, weights, provenance, key)


def export_policy(
    settings: Settings, weights: bytes, provenance: dict[str, Any], key: Ed25519PrivateKey | None = None
) -> tuple[bytes, float]:
    """The bundle of an actor, and the largest difference of the round trip.

    Args:
        weights: as :func:`td3_driving.learning.weights.take_snapshot` packs them.
        key: Ed25519 private key to sign with.

    Raises:
        WeightsError: the weights are corrupt or do not fit.
        BundleError: the exported network does not act as the trained one.
    """
    contract = contract_of(settings)
    actor = make_actor(settings, contract.state_size)
    load_into(actor, weights)
    policy = ActorPolicy(settings, contract.state_size)
    policy.load(weights)
    model = model_bytes(actor, contract)
    difference = _round_trip(policy, PolicyRuntime(model, contract), contract)
    data = write_bundle(contract, provenance, model, _golden(policy, contract), key)
    start(read_bundle(data, None if key is None else key.public_key()))
    return data, difference


def _best(run: Path, config_hash: str) -> tuple[bytes, dict[str, Any] | None]:
    """The policy with the best evaluation, and that evaluation."""
    if not (run / "checkpoints" / BEST).is_dir():
        raise CheckpointError(f"{run} kept no best policy: it was not evaluated while it trained")
    weights = best_weights(run / "checkpoints", config_hash)
    return weights, _document(run / "checkpoints" / BEST / "evaluation.json")


def _newest(run: Path, config_hash: str) -> bytes:
    checkpoint = load_checkpoint(run / "checkpoints", config_hash)
    if checkpoint is None:
        raise CheckpointError(f"{run} holds no checkpoint to export")
    for reason in checkpoint.passed_over:
        print(f"passed over: {reason}", file=sys.stderr)
    return actor_weights(checkpoint)


def _golden(policy: ActorPolicy, contract: Contract) -> Golden:
    frames, states = observations(contract, GOLDEN_COUNT, seed=0)
    actions = np.stack([policy.act(stack, state) for stack, state in zip(frames, states)])
    width, height, _ = contract.camera
    image = _pictures(np.random.default_rng(1), (height, width, 4))
    return Golden(frames, states, actions, image, camera_frame(image, GOLDEN_ENCODING, contract.observation))


def _round_trip(policy: ActorPolicy, runtime: PolicyRuntime, contract: Contract) -> float:
    pairs = zip(*observations(contract, ROUND_TRIPS, seed=2))
    difference = max(float(np.abs(policy.act(*pair) - runtime.act(*pair)).max()) for pair in pairs)
    if not difference <= ROUND_TRIP:
        raise BundleError(
            f"torch and onnxruntime differ by {difference:.2g} on the same weights, {ROUND_TRIP:g} is allowed"
        )
    return difference


def observations(contract: Contract, count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """``count`` observations: pictures and states in the range of driving, and the extremes of both.

    Returns:
        Frames (count, frames times planes, height, width) uint8 and states (count, state size) float32.
    """
    generator = np.random.default_rng(seed)
    frames = np.stack([_pictures(generator, contract.frames_shape) for _ in range(count)])
    states = generator.normal(0.0, 0.5, (count, contract.state_size)).astype(np.float32)
    for index, (pixel, bound) in enumerate(((0, 0.0), (255, STATE_BOUND), (255, -STATE_BOUND))):
        frames[index], states[index] = pixel, bound
    return frames, np.clip(states, -STATE_BOUND, STATE_BOUND)


def _pictures(generator: np.random.Generator, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """(…) uint8: blocks of even brightness with some grain, so that there are edges at all scales."""
    blocks = generator.integers(0, 256, tuple(-(-size // 6) for size in shape))
    coarse = np.kron(blocks, np.ones((6, 6, 6), dtype=np.int64))[tuple(slice(size) for size in shape)]
    return np.asarray(np.clip(coarse + generator.integers(-20, 21, shape), 0, 255), dtype=np.uint8)


def _document(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise RunFolderError(f"{path} is no JSON: {error}") from error
    return content if isinstance(content, dict) else None


def _parser() -> CommandParser:
    parser = CommandParser("td3-driving export", description="Pack a trained policy for a vehicle.")
    parser.add_argument("run", type=Path, help="run folder, such as runs/latest")
    parser.add_argument("-o", "--output", type=Path, default=Path("policy.zip"), help="bundle to write (%(default)s)")
    parser.add_argument("--best", action="store_true", help="the policy with the best evaluation, not the newest")
    parser.add_argument("--key", type=Path, help="Ed25519 private key (PEM) to sign the bundle with")
    return parser


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
