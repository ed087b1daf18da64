# SPDX-License-Identifier: Apache-2.0
"""The terminal output of a run: the log lines of its processes and one line of progress.

The diagnostics node prints lines of the form ``@progress {json}`` about twice a second; they are taken out of its log.
Their fields, all optional: ``step``, ``steps``, ``episode``, ``return`` (of the last episode), ``steps_per_second``,
``updates_per_second``, ``q_ratio`` (Q(s,pi(s)) over Q(s,a)), ``seconds_left``, ``alarms`` (list of names), ``waits``
(what the run waits for while no step comes).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

MARK = "@progress "
PLAIN_PERIOD = 10.0
"""Wall time [s] between two progress lines where the output is not a terminal."""
COLOURS = ("cyan", "green", "magenta", "blue", "yellow", "bright_cyan", "bright_magenta")
UNKNOWN = "–"
BETWEEN = " · "
LEAST_FIRST = ("updates_per_second", "episode", "steps_per_second", "q_ratio", "return")
"""Parts of the line that a narrow terminal does without, in this order."""
LEAST_WAITS = 20
"""Letters of what is waited for that are worth showing."""


def parse(line: str) -> dict[str, Any] | None:
    """The fields of a progress line, or None for any other line."""
    if not line.startswith(MARK):
        return None
    try:
        fields = json.loads(line[len(MARK) :])
    except json.JSONDecodeError:
        return None
    return fields if isinstance(fields, dict) else None


def render(fields: Mapping[str, Any], width: int | None = None) -> str:
    """Return one line of text; unknown fields are shown as unknown.

    Args:
        width: columns of the terminal; what matters least is left out until the line fits. Time left and alarms stay,
            and as much as fits of what is waited for and of the step.
    """
    parts = {
        "step": f"step {_number(fields, 'step', ',.0f')}/{_number(fields, 'steps', ',.0f')}",
        "episode": f"episode {_number(fields, 'episode', '.0f')}",
        "return": f"return {_number(fields, 'return', '.1f')}",
        "steps_per_second": f"{_number(fields, 'steps_per_second', '.1f')} steps/s",
        "updates_per_second": f"{_number(fields, 'updates_per_second', '.1f')} updates/s",
        "q_ratio": f"Q ratio {_number(fields, 'q_ratio', '.2f')}",
        "seconds_left": f"{_time_left(fields)} left",
    }
    if fields.get("waits"):
        parts["waits"] = f"waits for {fields['waits']}"
    alarms = [str(alarm) for alarm in fields.get("alarms") or ()]
    named = len(alarms)
    omitted = iter(LEAST_FIRST)
    while len(line := BETWEEN.join((*parts.values(), _alarms(alarms, named)))) > (width or math.inf):
        name = next(omitted, None)
        if name is not None:
            del parts[name]
        elif named > 0:
            named -= 1
        else:
            return _narrowest(parts, _alarms(alarms, 0), width or 0)
    return line


def _narrowest(parts: Mapping[str, str], alarms: str, width: int) -> str:
    """Time left and alarms, and of the rest as much as fits."""
    step, left, waits = parts["step"], parts["seconds_left"], parts.get("waits", "")
    for rest in ([step], [step.partition("/")[0]], []):
        room = width - len(BETWEEN.join((*rest, left, alarms)))
        if waits and room >= len(BETWEEN) + LEAST_WAITS:
            return BETWEEN.join((*rest, left, f"{waits[: room - len(BETWEEN) - 1]}…", alarms))
        if room >= 0:
            break
    return BETWEEN.join((*rest, left, alarms))


def _alarms(alarms: list[str], named: int) -> str:
    """The first ``named`` alarms by their names, the others by their count."""
    if not alarms:
        return "no alarms"
    if named == 0:
        return f"{len(alarms)} alarm{'s' if len(alarms) > 1 else ''}"
    more = f" +{len(alarms) - named}" if named < len(alarms) else ""
    return f"alarms: {', '.join(alarms[:named])}{more}"


def _number(fields: Mapping[str, Any], name: str, form: str) -> str:
    value = fields.get(name)
    return format(value, form) if isinstance(value, (int, float)) and math.isfinite(value) else UNKNOWN


def _time_left(fields: Mapping[str, Any]) -> str:
    seconds = fields.get("seconds_left")
    if not isinstance(seconds, (int, float)) or not math.isfinite(seconds):
        return UNKNOWN
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class Screen:
    """Prefixed log lines with the progress line below them; plain text where the output is not a terminal.

    Args:
        console: where to write.
        clock: monotonic wall time [s].
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._colours: dict[str, str] = {}
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._last_plain = -math.inf

    def __enter__(self) -> Screen:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def line(self, name: str, text: str) -> None:
        """One line of output of process ``name``."""
        fields = parse(text)
        if fields is None:
            colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
            message = Text.from_ansi(text)
            self._console.print(Text.assemble((f"[{name}] ", colour), message), soft_wrap=True, highlight=False)
        else:
            self._progress(fields)

    def _progress(self, fields: Mapping[str, Any]) -> None:
        if self._live is not None:
            text = render(fields, self._console.width)
            self._live.update(Text(text, style="bold", no_wrap=True, overflow="ellipsis"), refresh=True)
        elif self._clock() - self._last_plain >= PLAIN_PERIOD:
            self._last_plain = self._clock()
            self._console.print(render(fields), soft_wrap=True, highlight=False)
