"""A reference driver: the lane keeper at half its speed."""

from td3_driving.driving.drivers import Driver, LaneKeeper, ReferenceDriver


def half_as_fast(target_speed: float, frame_time: float, seed: int) -> Driver:
    """The driver of one episode."""
    return LaneKeeper(0.5 * target_speed, frame_time)


CAUTIOUS = ReferenceDriver(half_as_fast, "follows the lane at half the target speed")
