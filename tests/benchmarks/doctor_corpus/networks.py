# SPDX-License-Identifier: Apache-2.0
"""Small networks with their derivatives in NumPy: for nets of this size ten times quicker than a general library."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class Parameters:
    """Parameters of several nets in one vector, with gradient and Adam's moments (Kingma and Ba 2015) beside it."""

    def __init__(self, size: int) -> None:
        self.value, self.gradient = np.zeros(size, np.float32), np.zeros(size, np.float32)
        self.first, self.second, self.count = np.zeros(size, np.float32), np.zeros(size, np.float32), 0

    def step(self, rate: float) -> None:
        """One step of Adam along the gradient."""
        self.count += 1
        self.first += 0.1 * (self.gradient - self.first)
        self.second += 0.001 * (self.gradient**2 - self.second)
        scale = rate * np.sqrt(1.0 - 0.999**self.count) / (1.0 - 0.9**self.count)
        self.value -= np.float32(scale) * self.first / (np.sqrt(self.second) + np.float32(1e-8))

    @property
    def norm(self) -> float:
        """L2 norm of the gradient."""
        return float(np.sqrt(np.dot(self.gradient, self.gradient)))


class Net:
    """Layers with ReLU between them, and after the last one if ``last`` is set.

    Args:
        place: where the parameters live; the net takes them from ``offset`` on.
        sizes: widths of the layers, input first.
    """

    def __init__(self, place: Parameters, offset: int, sizes: Sequence[int], last: bool = False) -> None:
        self.last = last
        self.weights, self.slopes = [], []
        for width, height in zip(sizes, sizes[1:]):
            end = offset + (width + 1) * height
            self.weights.append(place.value[offset:end].reshape(width + 1, height))
            self.slopes.append(place.gradient[offset:end].reshape(width + 1, height))
            offset = end
        self.end = offset
        self.inputs: list[NDArray[np.float32]] = []

    @staticmethod
    def size(sizes: Sequence[int]) -> int:
        """Number of parameters."""
        return sum((width + 1) * height for width, height in zip(sizes, sizes[1:]))

    def start(self, rng: np.random.Generator) -> None:
        """Uniform within one over the root of the width, biases too."""
        for weight in self.weights:
            bound = 1.0 / np.sqrt(len(weight) - 1)
            weight[:] = rng.uniform(-bound, bound, weight.shape)

    def forward(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs (batch, height) of the inputs (batch, width)."""
        self.inputs = [values]
        for index, weight in enumerate(self.weights):
            values = values @ weight[:-1] + weight[-1]
            if self.last or index + 1 < len(self.weights):
                values = np.maximum(values, 0.0)
            self.inputs.append(values)
        return values

    def backward(self, slope: NDArray[np.float32]) -> NDArray[np.float32]:
        """Adds to the gradient, and gives back the slope (batch, width) at the inputs of the latest forward pass."""
        for index in reversed(range(len(self.weights))):
            if self.last or index + 1 < len(self.weights):
                slope = slope * (self.inputs[index + 1] > 0.0)
            self.slopes[index][:-1] += self.inputs[index].T @ slope
            self.slopes[index][-1] += slope.sum(0)
            slope = slope @ self.weights[index][:-1].T
        return slope


class Actor:
    """Encoder of one layer and a head with tanh."""

    def __init__(self, observation: int, action: int, hidden: int) -> None:
        encoder, head = (observation, hidden), (hidden, hidden, action)
        self.parameters = Parameters(Net.size(encoder) + Net.size(head))
        self.encoder = Net(self.parameters, 0, encoder, last=True)
        self.head = Net(self.parameters, self.encoder.end, head)
        self.action = np.zeros((0, action), np.float32)

    def start(self, rng: np.random.Generator) -> None:
        """Random parameters."""
        self.encoder.start(rng)
        self.head.start(rng)

    def forward(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Actions (batch, n) in [-1, 1]."""
        self.action = np.tanh(self.head.forward(self.encoder.forward(observation)))
        return self.action

    def backward(self, slope: NDArray[np.float32], of_features: NDArray[np.float32] | None = None) -> None:
        """Adds to the gradient; ``of_features`` is a further slope at the features of the encoder."""
        slope = self.head.backward(slope * (1.0 - self.action**2))
        self.encoder.backward(slope if of_features is None else slope + of_features)


class Critic:
    """Twin values of the features of one encoder, and an action."""

    def __init__(self, observation: int, action: int, hidden: int) -> None:
        encoder, head = (observation, hidden), (hidden + action, hidden, 1)
        self.hidden = hidden
        self.parameters = Parameters(Net.size(encoder) + 2 * Net.size(head))
        self.encoder = Net(self.parameters, 0, encoder, last=True)
        first = Net(self.parameters, self.encoder.end, head)
        self.heads = first, Net(self.parameters, first.end, head)

    def start(self, rng: np.random.Generator) -> None:
        """Random parameters."""
        for net in (self.encoder, *self.heads):
            net.start(rng)

    def forward(self, observation: NDArray[np.float32], action: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Both values (batch,)."""
        joined = np.concatenate([self.encoder.forward(observation), action], 1)
        return [head.forward(joined)[:, 0] for head in self.heads]

    def backward(self, slopes: Sequence[NDArray[np.float32]]) -> None:
        """Adds to the gradient; slopes (batch,) of both values."""
        slope = sum(head.backward(part[:, None]) for head, part in zip(self.heads, slopes))
        self.encoder.backward(np.asarray(slope)[:, : self.hidden])

    def value_of(
        self, features: NDArray[np.float32], action: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """First value (batch,), and the slopes of its mean at features and action."""
        values = self.heads[0].forward(np.concatenate([features, action], 1))
        slope = self.heads[0].backward(np.full_like(values, 1.0 / len(values)))
        return values[:, 0], slope[:, : self.hidden], slope[:, self.hidden :]
