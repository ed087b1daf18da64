# SPDX-License-Identifier: Apache-2.0
"""Turns findings into ranked causes, and names the causes that the evidence rules out.

The rank is: wiring, policy, configuration, reward, tuning; ``encoder_mismatch`` always comes first. Reports name the
causes that make the evidence itself doubtful (``INTEGRITY``) before all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable

import numpy as np

from td3_driving.doctor.findings import CONFIDENCES, PROVEN, Finding, Severity, found_by, number
from td3_driving.doctor.history import History
from td3_driving.doctor.rules.bound import ReturnBound
from td3_driving.doctor.rules.growth import GrowthLaw
from td3_driving.doctor.rules.quantities import return_bound
from td3_driving.doctor.rules.values import QRatio


@dataclass(frozen=True)
class Description:
    """What a cause is, and what to do about it."""

    meaning: str
    remedy: str


CAUSES: dict[str, Description] = {
    "encoder_mismatch": Description(
        "The actor is trained on values that the critic computes from features it was never trained on.",
        "Give Q(s, pi(s)) the critic's own features, without a gradient into the actor's encoder through the critic's"
        " state input;"
        " let the targets cover the encoders. Then aq/q stays between 0.8 and 1.3.",
    ),
    "gradient_explosion": Description(
        "Unclipped gradients grow out of proportion.",
        "Clip the global gradient norm, log it before and after, and look for what drives it (reward scale, learning"
        " rate).",
    ),
    "learning_not_started": Description(
        "No update was ever done.",
        "Check learning_starts against the planned steps, and that the learner gets the experience.",
    ),
    "nonfinite": Description(
        "A value is NaN or infinite.",
        "Find the first non-finite series; check observations, rewards and divisions before it.",
    ),
    "critic_divergence": Description(
        "The critic's own values leave what rewards can give.",
        "Lower the critic's learning rate, let the targets follow slowly (tau 0.005), clamp the target to the return"
        " bound.",
    ),
    "critic_dead": Description(
        "The critic predicts one number for every state.",
        "Check that the critic's optimizer holds the critic's parameters and its learning rate is not 0, that rewards"
        " and observations are scaled, and that no layer is saturated.",
    ),
    "overestimation": Description(
        "The critic promises more than any episode ever returned.",
        "Take the smaller of two critics for the targets (TD3), smooth the target policy, follow slowly (tau 0.005),"
        " and check that terminal states are not bootstrapped through.",
    ),
    "policy_frozen": Description(
        "The policy's parameters no longer change.",
        "Look at the gradient that reaches the policy's layers, and whether its optimizer is stepped with the right"
        " parameters.",
    ),
    "policy_saturated": Description(
        "The policy's tanh is saturated: one extreme action, no gradient.",
        "Bound or penalise the pre-activations, initialise the last layer small, lower the actor's learning rate.",
    ),
    "environment_dead": Description(
        "The environment stopped reacting, or became another one.",
        "Evaluate in the same world through its reset; never build a second environment beside the training one. Drop"
        " the data recorded since.",
    ),
    "foreign_writer": Description(
        "Somebody else published on the topics of the run.",
        "Find the node that the log and /diagnostics name, end it or give the run a ROS_DOMAIN_ID of its own, and drop"
        " what was recorded while it was there.",
    ),
    "logging_inconsistent": Description(
        "What is logged contradicts itself.",
        "Log global norms before and after clipping, and terms that add up to the total.",
    ),
    "config_not_honoured": Description(
        "The code does something else than its configuration says.",
        "Make the code read the setting and refuse keys that nobody reads; compare measured counters with the"
        " configuration.",
    ),
    "policy_parked": Description(
        "The policy has learned to stand still.", "Make standing still cost more than driving, and end such episodes."
    ),
    "reward_pays_violation": Description(
        "Leaving the lane or colliding pays.",
        "Give every violation a penalty that no progress in the same step can outweigh.",
    ),
    "reward_dominated": Description("One reward term drowns the others.", "Bring the terms to comparable size."),
    "alerts_blind": Description(
        "The run's alerts cannot see its failure.", "Watch norms before clipping, the ratio aq/q and the return bound."
    ),
    "q_bound_exceeded": Description(
        "Q exceeds every return that the rewards allow.",
        "A consequence: cure what drives Q. A clamp of the target limits the damage.",
    ),
    "policy_steps_too_large": Description(
        "Every update throws the policy far from the one that gathered the data.",
        "Lower the learning rate or the number of epochs, and stop an update early by its divergence (target_kl).",
    ),
    "learned_and_lost": Description(
        "The policy was good once and lost it.",
        "Keep the best checkpoint. Lower the learning rates late in the run, enlarge the replay memory, and look at"
        " what happened at the peak.",
    ),
    "never_learned": Description(
        "The returns never rose above the level that they began at.",
        "Do not prolong the run. Check that rewards can be reached by exploring, that actions arrive at the"
        " environment and observations at the policy, then the learning rates; try a task first that is known to be"
        " learned.",
    ),
    "worse_than_random": Description(
        "The learned policy does worse than random actions.",
        "A consequence: do not prolong the run, cure what stands above.",
    ),
    "camera_ignored": Description(
        "The policy drives as well without its camera.",
        "Take what tells the lane out of the state vector, and leave the camera the only one to know it.",
    ),
    "files_damaged": Description(
        "Files of the run were damaged, and part of what it had gathered is lost.",
        "Check the disk, and train anew where the result matters: what the run would have become is not known.",
    ),
    "camera_dead": Description(
        "The camera showed nothing, or always the same.",
        "Look at the images before the run (td3-driving conformance), and drop the steps recorded since.",
    ),
    "run_incomplete": Description("The run did not reach its end.", "Complete it, or judge the part alone."),
}
INTEGRITY = (
    "foreign_writer",
    "environment_dead",
    "camera_dead",
    "files_damaged",
    "logging_inconsistent",
    "run_incomplete",
    "nonfinite",
)
ORDER = tuple(CAUSES)


@dataclass(frozen=True)
class Cause:
    """A cause with the rules that speak for it, what it is and what to do about it."""

    cause: str
    confidence: str
    rules: tuple[str, ...]
    evidence: str
    meaning: str
    remedy: str


@dataclass(frozen=True)
class Refuted:
    """A suspicion that the evidence rules out."""

    cause: str
    evidence: str


def rank_causes(findings: Iterable[Finding]) -> list[Cause]:
    """The causes of all findings but remarks, in rank order."""
    weighty = [finding for finding in findings if finding.causes and finding.severity is not Severity.INFO]
    hints = [finding for finding in findings if finding.causes and finding.severity is Severity.INFO]
    names = {name for finding in weighty for name in finding.causes}
    if _critic_diverged(weighty):
        # Both readings of Q are wrong: the critic diverged, and the ratio says nothing about the wiring.
        names.discard("encoder_mismatch")
    causes = [_cause(name, weighty, hints) for name in names]
    return sorted(causes, key=lambda cause: (_rank(cause.cause, names), cause.cause))


def _critic_diverged(findings: list[Finding]) -> bool:
    """Whether q itself exceeds all bounds, and only the ratio speaks for wrong wiring."""
    if any("encoder_mismatch" in finding.causes for finding in findings if finding.rule != QRatio.id):
        return False
    return any(
        finding.critical and "critic_divergence" in finding.causes and "q" in finding.numbers for finding in findings
    )


def _rank(name: str, present: set[str]) -> float:
    blind_to = {"gradient_explosion", "critic_divergence", "q_bound_exceeded"} & present
    if name == "alerts_blind" and blind_to and "encoder_mismatch" not in present:
        # Silent alerts stand beside the failure that they missed.
        return min(ORDER.index(cause) for cause in blind_to) + 0.5
    return float(ORDER.index(name)) if name in ORDER else float(len(ORDER))


def _cause(name: str, weighty: list[Finding], hints: list[Finding]) -> Cause:
    found = [finding for finding in weighty if name in finding.causes]
    speaking = found + [finding for finding in hints if name in finding.causes]
    rules = tuple(dict.fromkeys(finding.rule for finding in speaking))
    # A cause that only a rule from outside knows is described by that rule.
    known = CAUSES.get(name) or Description(found[0].meaning, f"See the manual of {found[0].rule}.")
    confidence = _confidence(name, found, speaking)
    return Cause(name, confidence, rules, found[0].evidence, known.meaning, known.remedy)


def _confidence(name: str, found: list[Finding], speaking: list[Finding]) -> str:
    """The best confidence among the findings; proven if one rule confirms another."""
    rules = {finding.rule for finding in speaking}
    confirmed = any(rules.intersection(finding.confirms) for finding in speaking)
    if confirmed and any(finding.critical for finding in found):
        return PROVEN
    return max((finding.causes[name] for finding in found), key=CONFIDENCES.index)


def refute(history: History, findings: Iterable[Finding]) -> list[Refuted]:
    """The usual suspects that the evidence rules out."""
    findings = list(findings)
    mismatch = next((finding for finding in found_by(findings, QRatio.id) if finding.critical), None)
    bound = return_bound(history)
    beyond = any("q" in finding.numbers for finding in found_by(findings, ReturnBound.id))
    results = []
    if mismatch is not None and bound is not None and not beyond:
        q, aq = number(mismatch.numbers["q"]), number(mismatch.numbers["aq"])
        results = [
            Refuted(
                "reward_scale",
                f"rewards reach both readings of Q alike, but q is {q}, within the {number(bound)} that the rewards"
                f" allow, and aq is {aq}",
            ),
            Refuted("discount", f"a discount too high would raise q as well; q is {q} against aq {aq}"),
            Refuted(
                "overestimation_bias", f"it would show in q, which stays at {q}; the twins are fed the same features"
            ),
        ]
    return results + _refute_clipping(history, mismatch) + _refute_learning_rate(findings)


def _refute_clipping(history: History, mismatch: Finding | None) -> list[Refuted]:
    """If a norm stays the same while the loss grows a hundredfold, the clip works."""
    _, norms, _ = history.get("grad_actor_cnn").columns()
    losses = np.abs(history.get("actor_loss").values())
    if mismatch is None or len(norms) < 5 or len(losses) < 5 or norms.min() <= 0:
        return []
    growth = float(losses.max() / max(losses.min(), 1e-12))
    if norms.max() > 2.0 * norms.min() or growth < 20.0:
        return []
    text = (
        f"the actor's encoder norm stays within {number(float(norms.min()))} and {number(float(norms.max()))} while"
        " the loss grows"
        f" {number(growth)} times: the clip works and is always active; a sum of k clipped tensor norms lies between"
        " max_norm and sqrt(k) max_norm"
    )
    return [Refuted("clipping_failed", text)]


def _refute_learning_rate(findings: Iterable[Finding]) -> list[Refuted]:
    law = next((finding for finding in found_by(findings, GrowthLaw.id) if "encoder_mismatch" in finding.causes), None)
    if law is None:
        return []
    return [Refuted("bootstrap_divergence", f"aq grows by a power of the updates, not exponentially: {law.evidence}")]
