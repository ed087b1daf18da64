"""A term of the reward: the time that is left until the vehicle ahead is hit."""

from td3_driving.driving.drivers import leader_on_route
from td3_driving.driving.reward import DrivenStep, RewardTerm
from td3_driving.settings import RewardSettings

ENOUGH = 3.0
"""Time to a collision that costs nothing [s]."""


def closeness(step: DrivenStep, settings: RewardSettings, frame_time: float) -> float:
    """0 with ENOUGH time or more, -1 at the bumper of the vehicle ahead."""
    if step.route is None:
        return 0.0
    gap, leader_speed = leader_on_route(step.vehicle, step.after, step.route, step.neighbours)
    closing = step.vehicle.speed - leader_speed
    if closing <= 0.0:
        return 0.0
    return -min(1.0, max(0.0, 1.0 - gap / (closing * ENOUGH)))


TIME_TO_COLLISION = RewardTerm(
    name="time_to_collision",
    value=closeness,
    low=-1.0,
    high=0.0,
    weight=0.5,
    meaning="weight of a short time to a collision with the vehicle ahead",
    needs_others=True,
)
