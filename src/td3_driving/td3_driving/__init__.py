"""Training camera-driven TD3 policies over ROS 2."""

__version__ = "0.1.0"
