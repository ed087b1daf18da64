"""Two sensors: how fast the vehicle moves sideways, and a camera that looks back."""

import math

from td3_driving.driving.cameras import MountedCamera
from td3_driving.driving.state_vector import OwnElement, Sensed, StateElement


def sideways(sensed: Sensed) -> float:
    """[m/s], left positive."""
    return sensed.vehicle.lateral_speed


SIDEWAYS_SPEED = OwnElement(StateElement("sideways speed, left positive", "m/s", 2.0, "odometry twist"), sideways)


REAR_CAMERA = MountedCamera("rgb_rear", x=-2.3, y=0.0, z=1.2, yaw=math.pi)
"""Looks back from above the boot."""
