# SPDX-License-Identifier: Apache-2.0
"""Runs a policy on a vehicle: onnxruntime, one observation in, one action out, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from numpy.typing import NDArray

from td3_driving.deploy.bundle import GOLDEN_ENCODING, Bundle, Golden, open_bundle
from td3_driving.deploy.bundle_archive import BundleError
from td3_driving.deploy.bundle_model import check_model
from td3_driving.deploy.contract import ACTION, FRAMES, STATE, Contract
from td3_driving.driving.action import ACTION_DIM
from td3_driving.driving.observation import camera_frame

GOLDEN_TOLERANCE = 1e-4
"""Largest difference of an action from the one recorded at the export; processors round differently."""
LEVEL_TOLERANCE = 1
"""Largest difference of a golden pixel [levels of 255]: versions of the image library round differently."""
ROUNDING = 1e-5
"""Tolerance for onnxruntime's tanh, which exceeds 1 by a few units in the last place."""
WARM_UP = 20
"""Warm-up runs: the first ones allocate memory."""


class InferenceError(RuntimeError):
    """The network gave no action."""


class PolicyRuntime:
    """Runs the network of a bundle on single observations.

    Args:
        model: an ONNX file image that :func:`check_model` has passed.
        threads: CPU threads, at least 1.

    Raises:
        BundleError: onnxruntime refuses the model.
    """

    def __init__(self, model: bytes, contract: Contract, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 4
        # A thread waiting between two frames must not spin and occupy a core.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._frames_shape, self._state_shape = contract.frames_shape, (contract.state_size,)
        try:
            self._session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise BundleError(f"onnxruntime refuses the model: {' '.join(str(error).split())}") from error

    def act(self, stack: NDArray[np.uint8], state: NDArray[np.float32]) -> NDArray[np.float32]:
        """The action.

        Args:
            stack: (frames times planes, height, width) uint8, oldest frame first.
            state: (state size,) float32.

        Returns:
            (2,) float32 in [-1, 1]: steer (right positive), drive (throttle positive, brake negative).

        Raises:
            InferenceError: a shape or a type is wrong, or the network's answer is not finite or out of range.
        """
        if stack.shape != self._frames_shape or stack.dtype != np.uint8:
            raise InferenceError(f"frames are {stack.shape} {stack.dtype}, {self._frames_shape} uint8 is needed")
        if state.shape != self._state_shape or state.dtype != np.float32:
            raise InferenceError(f"the state is {state.shape} {state.dtype}, {self._state_shape} float32 is needed")
        try:
            action = self._session.run([ACTION], {FRAMES: stack[np.newaxis], STATE: state[np.newaxis]})[0][0]
        except Exception as error:
            raise InferenceError(f"onnxruntime failed: {' '.join(str(error).split())}") from error
        if action.shape != (ACTION_DIM,) or not np.isfinite(action).all() or np.abs(action).max() > 1.0 + ROUNDING:
            raise InferenceError(f"the network's action {action} is not within [-1, 1]")
        return np.clip(action, -1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Loaded:
    """A bundle that passed every check, and its runtime."""

    bundle: Bundle
    runtime: PolicyRuntime


def load(path: Path, key: Ed25519PublicKey | None = None, threads: int = 1) -> Loaded:
    """Read a bundle, check all of it, and warm its network up.

    Args:
        key: when given, the bundle must be signed with its private half.

    Raises:
        BundleError: one sentence on what is wrong.
    """
    return start(open_bundle(path, key), threads)


def start(bundle: Bundle, threads: int = 1) -> Loaded:
    """Make the runtime of a bundle, and check it on the golden observations.

    Raises:
        BundleError: the model is not a plain policy of the contract, or does not reproduce what was recorded.
    """
    check_model(bundle.model, bundle.contract)
    runtime = PolicyRuntime(bundle.model, bundle.contract, threads)
    _check_golden(bundle.golden, bundle.contract, runtime)
    for _ in range(WARM_UP):
        runtime.act(bundle.golden.frames[0], bundle.golden.states[0])
    return Loaded(bundle, runtime)


def _check_golden(golden: Golden, contract: Contract, runtime: PolicyRuntime) -> None:
    for index, (stack, state, wanted) in enumerate(zip(golden.frames, golden.states, golden.actions)):
        try:
            difference = float(np.abs(runtime.act(stack, state) - wanted).max())
        except InferenceError as error:
            raise BundleError(f"golden observation {index}: {error}") from error
        if difference > GOLDEN_TOLERANCE:
            raise BundleError(
                f"golden observation {index}: the action differs by {difference:.2g} from the recorded one, "
                f"{GOLDEN_TOLERANCE:g} is allowed"
            )
    frame = camera_frame(golden.image, GOLDEN_ENCODING, contract.observation)
    levels = int(np.abs(frame.astype(np.int16) - golden.frame.astype(np.int16)).max())
    if levels > LEVEL_TOLERANCE:
        raise BundleError(f"the golden image gives a frame that differs by {levels} levels from the recorded one")
