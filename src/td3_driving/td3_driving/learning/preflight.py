# SPDX-License-Identifier: Apache-2.0
"""Checks the learner before it trains; it does not train if a check fails.

The checks look at a rehearsal: a trainer with the same networks and rules, small numbers, and made-up experience.
"""

from __future__ import annotations

import copy
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from td3_driving.driving.action import ACTION_DIM
from td3_driving.driving.experience import Experience
from td3_driving.driving.observation import frame_shape
from td3_driving.driving.privileged import privileged_dim
from td3_driving.driving.reward import term_bounds
from td3_driving.learning.agent import LearningAgent, make_agent
from td3_driving.learning.algorithms import make_actor
from td3_driving.learning.algorithms.base import Transitions
from td3_driving.learning.networks import Network
from td3_driving.learning.trainer import AgentFactory, Trainer
from td3_driving.settings import Settings, from_flat
from td3_driving.settings_audit import tracked

GROUPS = ("learning", "network", "replay", "pacing")
# The rehearsal's own numbers; everything else is as in the run.
REHEARSAL = {
    "learning.batch_size": 4,
    "learning.policy_delay": 1,
    "learning.device": "cpu",
    "learning.compile": "off",
    "learning.threads": 1,
    "learning.learners": 1,
    "replay.capacity": 100,
    "pacing.learning_starts": 8,
    "pacing.train_freq": 1,
    "pacing.gradient_steps": 1,
    "pacing.checkpoint_period": 1,
    "run.steps": 100,
    "run.log_period": 100,
}
CUDA_ONLY = {"learning.capture", "replay.device_share"}
"""Settings that the rehearsal, which is on the processor, does not read."""
EPISODE = 4
TOLERANCE = 1e-5


class PreflightError(RuntimeError):
    """At least one check failed: training would be worthless."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Result of one check: what a pass proves, and what the check saw."""

    name: str
    passed: bool
    proves: str
    detail: str


Check = Callable[[], CheckResult]


def preflight(
    settings: Settings, state_dim: int, extra: Sequence[Check] = (), factory: AgentFactory = make_agent
) -> list[CheckResult]:
    """Run all checks and the ``extra`` ones.

    Returns:
        The results, all passed.

    Raises:
        PreflightError: one failed; the message names every failed check and what it saw.
    """
    results = [*rehearse(settings, state_dim, factory), *(check() for check in extra)]
    failed = [result for result in results if not result.passed]
    if failed:
        raise PreflightError("; ".join(f"{result.name}: {result.detail}" for result in failed))
    return results


def rehearse(settings: Settings, state_dim: int, factory: AgentFactory = make_agent) -> list[CheckResult]:
    """The built-in checks on a trainer that lives in a temporary folder."""
    threads = torch.get_num_threads()
    # The wiring does not depend on the number format, so none is looked for.
    precision = {"learning.precision": "float32"} if settings.learning.precision == "auto" else {}
    observed, audit = tracked(from_flat(REHEARSAL | precision, settings))
    try:
        with tempfile.TemporaryDirectory() as folder:
            trainer = Trainer(observed, Path(folder), state_dim, factory)
            at_start = targets_equal_online(trainer.agent)
            if not at_start.passed:
                return [at_start]
            for experience in made_up_experience(trainer.settings, state_dim, 2 * EPISODE + 2):
                trainer.receive(experience)
            inputs = trainer.agent.to_device(trainer.memory.gather(trainer.memory.sampleable_slots()))
            return [
                at_start,
                gradient_path(trainer.agent, inputs),
                same_features(trainer.agent, inputs),
                frozen_kept(trainer.agent, make_actor(settings, state_dim), inputs),
                targets_cover_encoders(trainer.agent),
                settings_honoured(trainer.agent, settings, audit.unread(GROUPS)),
            ]
    finally:
        torch.set_num_threads(threads)


def gradient_path(agent: LearningAgent, inputs: Transitions) -> CheckResult:
    """The actor's loss may reach the actor through the action alone: with the action cut off it gets no gradient."""
    last: nn.Module = agent.actor.trunk[-1]
    handle = last.register_forward_hook(lambda _, __, output: output.detach().requires_grad_())
    try:
        loss = agent.algorithm.actor_objective(inputs.now).loss
    finally:
        handle.remove()
    gradients = torch.autograd.grad(loss, agent.actor.trained(), allow_unused=True)
    leak = sum(float(gradient.abs().sum()) for gradient in gradients if gradient is not None)
    return CheckResult(
        "gradient_path",
        leak == 0.0,
        "the actor learns through its action only",
        f"sum of absolute gradients around the action: {leak:g}",
    )


def same_features(agent: LearningAgent, inputs: Transitions) -> CheckResult:
    """In the loss of the actor the critic's head must get the critic's own features, and give its Q."""
    asked: list[Tensor] = []
    handle = agent.critic.heads[0].register_forward_pre_hook(lambda _, inputs: asked.append(inputs[0]))
    try:
        with torch.no_grad():
            seen = agent.algorithm.actor_objective(inputs.now).q
    finally:
        handle.remove()
    proves = "Q(s, pi(s)) and Q(s, a) come from the same features"
    if len(asked) != 1:
        return CheckResult("same_features", False, proves, f"the first head was asked {len(asked)} times, expected 1")
    difference = _feature_difference(agent, inputs, asked[0], seen)
    return CheckResult("same_features", difference <= TOLERANCE, proves, f"largest difference: {difference:g}")


@torch.no_grad()
def _feature_difference(agent: LearningAgent, inputs: Transitions, asked: Tensor, seen: Tensor) -> float:
    """Largest difference of features and Q between the actor's loss and the critic, for the same action."""
    own = agent.critic.features(inputs.now)
    in_features = float((asked[:, : own.shape[1]] - own).abs().max())
    q1, q2 = agent.critic(inputs.now, asked[:, -ACTION_DIM:])
    in_value = min(float((seen - q).abs().max()) for q in (q1, torch.minimum(q1, q2)))
    return max(in_features, in_value)


def targets_equal_online(agent: LearningAgent) -> CheckResult:
    """Before the first update a target must be a copy: equal in every weight, in memory of its own."""
    wrong = [
        name
        for online, target in agent.networks.pairs().values()
        for name, value in online.state_dict().items()
        if not torch.equal(value, target.state_dict()[name]) or value.data_ptr() == target.state_dict()[name].data_ptr()
    ]
    return CheckResult(
        "targets_equal_online",
        not wrong,
        "targets start as copies of the trained networks",
        f"different or shared: {wrong or 'none'}",
    )


@torch.no_grad()
def targets_cover_encoders(agent: LearningAgent) -> CheckResult:
    """After every trained weight was shifted, the soft update must move all of them in the targets, encoders too."""
    pairs = agent.networks.pairs().values()
    before = {target: copy.deepcopy(target.trained_state()) for _, target in pairs}
    for online, _ in pairs:
        for parameter in online.trained():
            parameter.add_(1.0)
    agent.update_targets()
    still = [
        name
        for target, values in before.items()
        for name, value in target.trained_state().items()
        if bool((value == values[name]).any())
    ]
    encoders = all(_has_encoder(target) or not _has_encoder(online) for online, target in pairs) and _has_encoder(
        agent.networks.actor_target
    )
    return CheckResult(
        "targets_cover_encoders",
        encoders and not still,
        "the soft update reaches every weight",
        f"not moved: {still or 'none'}; encoders in all targets: {encoders}",
    )


def _has_encoder(network: nn.Module) -> bool:
    return any(name.startswith("encoder.") for name in network.state_dict())


def frozen_kept(agent: LearningAgent, fresh: Network, inputs: Transitions) -> CheckResult:
    """Frozen weights must equal those of a ``fresh`` actor, be in no optimizer, and give no gradient to ``inputs``."""
    expected, networks = fresh.frozen_state(), [network for pair in agent.networks.pairs().values() for network in pair]
    wrong = {
        name
        for network in networks
        for name, value in network.frozen_state().items()
        if name in expected and not torch.equal(value.cpu(), expected[name])
    }
    frozen = {id(value) for network in networks for value in network.parameters() if not value.requires_grad}
    groups = [group for optimizer in agent.optimizers().values() for group in optimizer.param_groups]
    moved = sum(id(value) in frozen for group in groups for value in group["params"])
    trained = inputs.now.frames.requires_grad
    return CheckResult(
        "frozen_kept",
        not wrong and moved == 0 and not trained,
        "frozen weights are the same everywhere and stay as they are",
        f"different: {sorted(wrong) or 'none'}; in an optimizer: {moved}; prepare takes trained weights: {trained}",
    )


def settings_honoured(agent: LearningAgent, settings: Settings, unread: Sequence[str]) -> CheckResult:
    """Every setting of the learner must have been read, unless algorithm or networks have no use for it."""
    needless = needless_settings(agent, settings)
    ignored = [key for key in unread if key not in needless]
    return CheckResult(
        "settings_honoured", not ignored, "every setting of the learner is read", f"never read: {ignored or 'none'}"
    )


def needless_settings(agent: LearningAgent, settings: Settings) -> set[str]:
    """Settings that nobody reads under these settings, as ``group.name``."""
    rule = settings.learning
    needless = {f"learning.{name}" for name in agent.algorithm.unused} | CUDA_ONLY
    needless |= {f"network.{name}" for name in agent.actor.encoder.unused}
    if rule.teacher == "none":
        needless |= {"learning.teacher_weight", "learning.teacher_weight_end", "learning.teacher_decay"}
        needless.add("learning.teacher_braking")
    return needless if rule.lr_decay else needless | {"learning.lr_end"}


def made_up_experience(settings: Settings, state_dim: int, steps: int) -> Iterator[Experience]:
    """``steps`` random steps in short episodes that end by termination and by truncation in turns."""
    rng = np.random.default_rng(settings.run.seed)
    shape, privileged = frame_shape(settings.observation), privileged_dim(settings)
    least, greatest = term_bounds(settings.reward)
    for sequence in range(steps):
        episode, step = divmod(sequence, EPISODE)
        last = step == EPISODE - 1
        terms = rng.uniform(np.maximum(least, -1.0), np.minimum(greatest, 1.0))
        yield Experience(
            "actor_0",
            0,
            sequence,
            episode,
            step,
            settings.digest(),
            0,
            _frame(rng, shape),
            _state(rng, state_dim),
            rng.uniform(-1.0, 1.0, ACTION_DIM).astype(np.float32),
            float(terms.sum()),
            terms,
            terminated=last and episode % 2 == 0,
            truncated=last and episode % 2 == 1,
            final_frame=_frame(rng, shape) if last else None,
            final_state=_state(rng, state_dim) if last else None,
            privileged=_state(rng, privileged),
            final_privileged=_state(rng, privileged) if last else None,
            teacher_action=rng.uniform(-1.0, 1.0, ACTION_DIM).astype(np.float32),
        )


def _frame(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    return rng.integers(0, 256, shape, dtype=np.uint8)


def _state(rng: np.random.Generator, state_dim: int) -> NDArray[np.float32]:
    return rng.standard_normal(state_dim).astype(np.float32)
