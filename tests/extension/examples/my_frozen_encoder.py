"""A pretrained encoder of one's own: its convolutions stay as they are, the layer after them learns."""

import torch
from torch import nn

from td3_driving.driving.observation import stack_shape
from td3_driving.learning.encoders import Encoder, fill
from td3_driving.settings import NetworkSettings, ObservationSettings

SEED = 1


class MyFrozenEncoder(Encoder):
    def __init__(self, observation: ObservationSettings, network: NetworkSettings) -> None:
        super().__init__(network.features)
        channels, _, _ = stack_shape(observation)
        convolutions = nn.Sequential(
            nn.Conv2d(channels, 8, kernel_size=5, stride=4, padding=2, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        # Stands for convolutions.load_state_dict(safetensors.torch.load_file("my_weights.safetensors")).
        fill(convolutions, torch.Generator().manual_seed(SEED))
        self.frozen = convolutions.requires_grad_(False).eval()
        rows, columns = (((side + 3) // 4) // 2 for side in (observation.frame_height, observation.frame_width))
        self.layers = nn.Sequential(nn.Linear(8 * rows * columns, network.features), nn.ReLU())
