"""An encoder of one's own: two padded convolutions and the mean over the picture."""

from torch import nn

from td3_driving.driving.observation import stack_shape
from td3_driving.learning.encoders import Encoder
from td3_driving.settings import NetworkSettings, ObservationSettings


class MyEncoder(Encoder):
    def __init__(self, observation: ObservationSettings, network: NetworkSettings) -> None:
        super().__init__(network.features)
        channels, _, _ = stack_shape(observation)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 16, kernel_size=5, stride=4, padding=2),
            nn.ReLU(),
            nn.Conv2d(16, 32, kernel_size=3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(32, network.features),
            nn.ReLU(),
        )
