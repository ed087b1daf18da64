# SPDX-License-Identifier: Apache-2.0
"""The account of experiences sent by the policies and received by the replay memory."""

from __future__ import annotations

from dataclasses import dataclass

from td3_driving.doctor.status import Status

STATES = ("waiting", "filling", "learning", "finished", "failed")
FAILED = STATES.index("failed")


@dataclass(frozen=True, slots=True)
class Account:
    """The learner's counts; the fields are those of ``LearnerStatus.msg``."""

    state: int
    reason: str
    received: int
    inserted: int
    duplicate: int
    rejected: int
    lost: int
    last_rejection: str
    sampleable: int
    capacity: int
    updates: int
    updates_due: int
    strangers: int = 0
    stranger: str = ""
    gone: int = 0

    @property
    def balanced(self) -> bool:
        """Return whether every received message is accounted for."""
        return self.received == self.inserted + self.duplicate + self.rejected


def replay_status(account: Account | None, age: float, stale_after: float) -> Status:
    """The status ``learner: replay``.

    Args:
        account: the newest account, ``None`` if none came yet.
        age: wall time since it came [s].
        stale_after: age from which it counts as stale [s].
    """
    name = "learner: replay"
    if account is None:
        return Status(name, "STALE", "no status from the learner yet", {})
    values = {
        "sent (messages)": str(account.received + account.lost),
        "received (messages)": str(account.received),
        "inserted (steps)": str(account.inserted),
        "duplicate (messages)": str(account.duplicate),
        "rejected (messages)": str(account.rejected),
        "lost (messages)": str(account.lost),
        "lost for good (steps)": str(account.gone),
        "sampleable (transitions)": str(account.sampleable),
        "capacity (frames)": str(account.capacity),
        "updates (count)": str(account.updates),
        "updates due (count)": str(account.updates_due),
        "age of this account (s)": f"{age:.1f}",
        "last rejection": account.last_rejection,
        "messages of strangers (count)": str(account.strangers),
        "last stranger": account.stranger,
    }
    return Status(name, *_judge(account, age, stale_after), values)


def _judge(account: Account, age: float, stale_after: float) -> tuple[str, str]:
    if age > stale_after:
        return "STALE", f"no status from the learner for {age:.0f} s"
    if account.state == FAILED:
        return "ERROR", account.reason
    if not account.balanced:
        return "ERROR", "the account does not balance: received is not inserted + duplicate + rejected"
    if account.strangers:
        return "ERROR", f"{account.strangers} message(s) of strangers refused; the last one: {account.stranger}"
    if account.rejected or account.lost or account.gone:
        return "WARN", f"{account.rejected} message(s) rejected, {account.lost} lost, {account.gone} of them for good"
    return "OK", f"{STATES[account.state]}{': ' + account.reason if account.reason else ''}"
