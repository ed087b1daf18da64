# SPDX-License-Identifier: Apache-2.0
"""What the gate does when, with the times and bounds of its default settings."""

from __future__ import annotations

from td3_driving.deploy.gate_inputs import FASTEST
from td3_driving.deploy.limits import GateSettings
from tools.reference.markdown import table

AT_ONCE = "at once"


def gate_modes() -> str:
    """Mode, when the gate is in it, and what the vehicle is told."""
    settings = GateSettings()
    budget, stop = settings.budget, settings.stop
    late = budget.policy_period + budget.warn_ticks / budget.rate
    rows = (
        ("waiting", "not every input has been there yet", "nothing"),
        ("active", "all is well", "the policy's command, inside the limits"),
        (
            "holding",
            f"the next command is {budget.warn_ticks} outputs late ({_ms(late)} old; the policy sends one every "
            f"{_ms(budget.policy_period)})",
            "the last command",
        ),
        (
            "comfortable stop, latched",
            "see below",
            f"throttle off at once, wheel held, up to {stop.comfortable:g} m/s²",
        ),
        ("emergency stop, latched", "see below", f"the same with {stop.emergency:g} m/s²"),
        ("manual", "`manual/override` is true", "what the person asks for, at once, whatever else is wrong"),
        ("disengaged", "Autoware's `ControlModeReport` does not say AUTONOMOUS", "nothing"),
    )
    return table(("mode", "when", "the vehicle is told"), rows)


def gate_stops() -> str:
    """Cause, and after what time or way it begins a comfortable and an emergency stop."""
    settings = GateSettings()
    budget, stop = settings.budget, settings.stop
    soon, late, image = _ms(budget.comfortable_after), _ms(budget.emergency_after), _ms(budget.camera_age)
    way = budget.frozen_distance
    rows = (
        (f"no usable command (silent, NaN, out of an image older than {image})", soon, late),
        (f"no usable odometry (silent, NaN, a speed beyond {FASTEST:g} m/s)", soon, late),
        ("no image", image, late),
        (
            "the same image over and over: new stamps, every pixel as before, while the vehicle drives",
            f"{way:g} m and {image}",
            f"{2 * way:g} m and {late}",
        ),
        (
            f"{stop.flip_count} changes of steering by {stop.flip:g} or more within {stop.flip_window:g} s",
            AT_ONCE,
            "",
        ),
        (f"a stamp goes back, or the clock of the stamps jumps by more than {_ms(budget.clock_jump)}", AT_ONCE, ""),
        ("no manual command while a person drives", _ms(budget.manual_age), ""),
        ("no report of the control mode, where the vehicle repeats it", _ms(budget.control_mode_age), ""),
        ("simulated time stands still", "", f"{budget.clock_stall:g} s of wall time"),
        ("a second publisher on the vehicle's command topic", "", AT_ONCE),
        ("`gate/stop`", "", AT_ONCE),
    )
    return table(("what", "comfortable stop", "emergency stop"), rows)


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:g} ms"
