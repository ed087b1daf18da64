# SPDX-License-Identifier: Apache-2.0
"""Watches a run: writes its event file, feeds the run doctor, reports its progress."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Mapping

from td3_driving.doctor.live import LiveDoctor
from td3_driving.doctor.messages import FINISHED_TAG, REFUSED_TEXT, WHO, graph_values
from td3_driving.doctor.status import Status
from td3_driving.doctor.steps import Rate, Step, StepSeries
from td3_driving.driving.reward import term_names
from td3_driving.driving.waiting import REPORT_AFTER
from td3_driving.monitor.account import Account, replay_status
from td3_driving.monitor.event_log import EventLog
from td3_driving.monitor.writers import Writers
from td3_driving.settings import Settings


@dataclass(frozen=True, slots=True)
class EpisodePoint:
    """One finished episode as it is written to the event file; ``values`` by tag."""

    actor_id: str
    step: int
    episode_return: float
    values: Mapping[str, float]


class RunObserver:
    """The diagnostics of one run, without transport.

    Args:
        log: where the series go; ``None`` writes none.
        writers: what was found out about the publishers of the run.
    """

    def __init__(
        self, settings: Settings, doctor: LiveDoctor, log: EventLog | None, writers: Writers | None = None
    ) -> None:
        self._settings = settings
        self._doctor = doctor
        self._log = log
        self._writers = writers or Writers({})
        self._refused, self._stranger = 0, ""
        self._who = ""
        self._graph: dict[str, float] = {}
        self._step_at: float | None = None
        self._steps = StepSeries(settings.run.log_period)
        self._update_rate = Rate()
        self._account: Account | None = None
        self._account_at = 0.0
        self._episodes = 0
        self._last_return: float | None = None
        self._q_ratio: float | None = None
        self._paused = 0.0
        self._evaluating_at: float | None = None
        self.finished = False
        if log is not None:
            log.layout(term_names(settings.reward))
            log.text("config", "\n".join(f"    {key}: {value}" for key, value in settings.flat().items()))
            log.text("config_hash", settings.digest())

    @property
    def doctor(self) -> LiveDoctor:
        """The rules that watch this run."""
        return self._doctor

    def on_step(self, step: Step, now: float) -> None:
        """Call when a step was scored."""
        total, series = self._steps.add(step, now)
        self._step_at = now
        if series is not None:
            self._write({**series, **self._graph_series()}, total)
            self._write_alerts(total)

    def on_episode(self, episode: EpisodePoint) -> None:
        """Call when an episode ended."""
        self._episodes += 1
        self._last_return = episode.episode_return
        self._write(dict(episode.values), self._steps.clock.at(episode.actor_id, episode.step))

    def on_evaluating(self, now: float) -> None:
        """Call while an evaluation goes on: until the next call, silence of the training is no alarm.

        If the evaluating node dies, the calls stop and the training counts as stale.
        """
        if self._evaluating_at is not None:
            self._paused += min(now - self._evaluating_at, self._settings.diagnostics.stale_after)
        self._evaluating_at = now

    def on_evaluation(self, actor_id: str, step: int, values: Mapping[str, float], now: float) -> None:
        """An evaluation ended, which began after ``step`` steps of the actor; ``values`` by tag."""
        self.on_evaluating(now)
        self._evaluating_at = None
        self._write(dict(values), self._steps.clock.at(actor_id, step))
        self.flush()

    def on_log_point(self, step: int, values: dict[str, float]) -> None:
        """The learner measured ``values`` at environment step ``step``."""
        actor_q, replay_q = values.get("debug/q1_for_actor_mean"), values.get("train/q1_value")
        if actor_q is not None and replay_q:
            self._q_ratio = actor_q / replay_q
        self._write(values, step)

    def on_account(self, account: Account, now: float) -> None:
        """Call with each new account of the learner."""
        self._account, self._account_at = account, now
        self.on_graph(self._refused, self._stranger)
        self._update_rate.at(now, account.updates)

    @property
    def refused(self) -> tuple[int, str]:
        """Messages that no node of the run believed, and the sender of the last one."""
        account = self._account
        count = self._refused + (account.strangers if account else 0)
        return count, self._stranger or (account.stranger if account else "")

    def on_graph(self, refused: int, stranger: str = "") -> bool:
        """Call when the publishers were looked at; returns whether there is news.

        Args:
            refused: messages that this process and the policies did not believe.
            stranger: the sender of the last one.
        """
        self._refused, self._stranger = refused, stranger
        series = self._graph_series()
        self._write_who()
        if any(series.values()) and series != self._graph:
            self._graph = series
            self._write(series, self._steps.clock.total)
            self._write_alerts(self._steps.clock.total)
            self.flush()
            return True
        return False

    def _write_who(self) -> None:
        """Put the names of strangers into the event file, for the report."""
        who = "; ".join(filter(None, (self._writers.text(), self._refusals_text())))
        if self._log is not None and who and who != self._who:
            self._who = who
            self._log.text(WHO, who)

    def _refusals_text(self) -> str:
        count, stranger = self.refused
        # The count goes on growing; the sentence is written once for each sender.
        return f"{REFUSED_TEXT} {stranger}" if count else ""

    def finish(self) -> None:
        """The learner has done all that the run asks for: mark the end in the event file."""
        if not self.finished and self._account is not None:
            self.finished = True
            self._write({FINISHED_TAG: 1.0}, self._account.inserted)
            self.flush()

    def statuses(self, now: float) -> list[Status]:
        """Return the run's statuses for `/diagnostics` at ``now`` (wall time) [s]."""
        stale_after = self._settings.diagnostics.stale_after
        judged = [self._with_ledger(status) for status in self._doctor.statuses(now - self._paused)]
        written = [self._writers.status(), self._strangers_status(), *judged, *self._disk_status()]
        return [replay_status(self._account, now - self._account_at, stale_after), *written]

    def progress(self, now: float) -> dict[str, float | int | str | list[str] | None]:
        """Return the progress of the run for the live line."""
        total, rate = self._steps.clock.total, self._steps.rate(now)
        updates = self._account.updates if self._account else 0
        return {
            "step": total,
            "steps": self._settings.run.steps,
            "episode": self._episodes,
            "return": self._last_return,
            "steps_per_second": rate,
            "updates_per_second": self._update_rate.at(now, updates),
            "q_ratio": self._q_ratio,
            "alarms": self._alarms(now),
            "waits": self._waits(now),
            "seconds_left": (self._settings.run.steps - total) / rate if rate > 0 else None,
        }

    def _alarms(self, now: float) -> list[str]:
        alarms = [status.name for status in self._alarming(now) if status.level == "ERROR"]
        count, stranger = self.refused
        if count:
            alarms.append(f"{count} messages of strangers refused ({stranger})")
        if self._account is not None and self._account.gone:
            alarms.append(f"{self._account.gone} steps lost for good")
        text = self._writers.text()
        return [*alarms, text] if text else alarms

    def _waits(self, now: float) -> str:
        """What the run waits for while no step comes; empty while steps come.

        It is the learner where that says nothing: one that was killed is silent until it has loaded its memory.
        """
        if self.finished or (self._step_at is not None and now - self._step_at < REPORT_AFTER):
            return ""
        if self._account is None:
            return "the learner's first status"
        silence = now - self._account_at
        if silence > self._settings.diagnostics.stale_after:
            return f"the learner, which has said nothing for {silence:.0f} s"
        due = self._account.updates_due - self._account.updates
        return self._account.reason or (f"{due} updates of the learner" if due > 0 else "")

    def _graph_series(self) -> dict[str, float]:
        refused, _ = self.refused
        found = sum(map(len, self._writers.found.values()))
        return graph_values(found, refused)

    def flush(self) -> None:
        """Put the event file on disk."""
        if self._log is not None:
            self._log.flush()

    def close(self) -> None:
        """Close the event file."""
        if self._log is not None:
            self._log.close()

    def _alarming(self, now: float) -> list[Status]:
        return [*self._doctor.statuses(now - self._paused), *self._disk_status()]

    def _strangers_status(self) -> Status:
        """The status ``graph: strangers``."""
        count, stranger = self.refused
        values = {"messages refused (count)": str(count), "last sender": stranger}
        text = f"{count} message(s) without the seal of the run refused; the last one sent by {stranger}"
        return (
            Status("graph: strangers", "ERROR", text, values)
            if count
            else Status("graph: strangers", "OK", "every message has the seal of the run", values)
        )

    def _disk_status(self) -> list[Status]:
        """An error while the event file cannot be written."""
        fault = self._log.fault if self._log is not None else ""
        return [Status("run: disk", "ERROR", fault, {})] if fault else []

    def _with_ledger(self, status: Status) -> Status:
        """Add the check of the reward terms at every step; the doctor's rules see means over many."""
        if status.name != "reward: ledger":
            return status
        breaks, unheard = self._steps.ledger_breaks, self._steps.clock.unheard
        first = ", ".join(f"{actor}: {step}" for actor, step in sorted(self._steps.clock.first.items()))
        values = {
            **status.values,
            "steps whose terms do not add up (count)": str(breaks),
            "steps not heard (count)": str(unheard),
            "first step heard": first or "none yet",
        }
        if breaks:
            return Status(status.name, "ERROR", f"the terms of {breaks} step(s) do not add up to the total", values)
        if unheard and status.level == "OK":
            return Status(status.name, "WARN", f"{unheard} step(s) were not heard, so they are in no series", values)
        return replace(status, values=values)

    def _write(self, values: dict[str, float], step: int) -> None:
        for tag, value in values.items():
            self._doctor.feed(tag, step, value)
        if self._log is not None:
            self._log.scalars(values, step)

    def _write_alerts(self, step: int) -> None:
        if self._log is not None:
            self._log.scalars({tag: float(value) for tag, value in self._doctor.alerts().items()}, step)
