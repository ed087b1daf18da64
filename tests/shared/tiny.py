"""The smallest settings that learn from pictures, which many tests add their own to."""

from __future__ import annotations

NETWORK = {
    "observation.frame_height": 36,
    "observation.frame_width": 36,
    "network.encoder": "small",
    "network.features": 16,
    "network.hidden": 16,
}
LEARNER = {
    **NETWORK,
    "learning.batch_size": 8,
    "learning.threads": 1,
    "replay.on_disk": False,
    "replay.capacity": 200,
}
CAMERA = {"simulator.camera_width": 64, "simulator.camera_height": 36}
