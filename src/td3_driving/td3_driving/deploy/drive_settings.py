# SPDX-License-Identifier: Apache-2.0
"""Settings of the drive node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from td3_driving.bounded import Bounded, choice, flag, flattened, group_values, number, text


@dataclass(frozen=True)
class DriveSettings(Bounded):
    """What is driven by, and how."""

    bundle: str = text("", "path of the bundle")
    public_key: str = text("", "path of the Ed25519 public key (PEM) that the bundle must be signed for; empty: any")
    threads: int = number(1, 1, 64, "CPU threads of the network")
    shadow: bool = flag(False, "command nothing; publish what it would do and how that differs from who drives")
    autostart: bool = flag(False, "configure and activate at once, without a lifecycle manager")
    sync_tolerance: float = number(
        0.0, 0.0, 0.1, "0: image and odometry of one stamp, as in training; more: the nearest odometry within it", "s"
    )
    sensor_qos: str = choice(
        "best_effort", ("best_effort", "reliable"), "of camera and odometry; reliable hears reliable publishers only"
    )


@dataclass(frozen=True)
class DeployedSettings:
    """The whole configuration of the node; everything else is in the bundle."""

    drive: DriveSettings = field(default_factory=DriveSettings)

    def flat(self) -> dict[str, Any]:
        """The settings as ``{"group.name": value}``."""
        return flattened(self)


DRIVE_GROUPS: dict[str, type[Bounded]] = {"drive": DriveSettings}


def drive_settings(values: Mapping[str, Any]) -> DeployedSettings:
    """Settings from ``{"drive.name": value}`` on top of the defaults.

    Raises:
        SettingsError: a key is unknown, a value has the wrong type or is out of range.
    """
    return DeployedSettings(**group_values(values, DeployedSettings().flat(), DRIVE_GROUPS))
