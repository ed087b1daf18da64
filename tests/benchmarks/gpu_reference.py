# SPDX-License-Identifier: Apache-2.0
"""TD3 on a GPU with nothing around it: NatureCNN encoders, frames on the device, two updates in one CUDA graph.

It is what the learner is measured against. It measures nothing, checks nothing, and keeps its memory full of noise.
"""

from __future__ import annotations

import copy
from typing import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

STEPS, STATE, STACK, SIDE = 50_000, 26, 4, 84
GAMMA, TAU, NOISE, NOISE_CLIP = 0.99, 0.005, 0.2, 0.5
RATE, ACTOR_NORM, CRITIC_NORM = 1e-4, 1.0, 10.0


def encoder() -> nn.Sequential:
    """NatureCNN on four grey frames."""
    return nn.Sequential(
        nn.Conv2d(STACK, 32, 8, stride=4),
        nn.ReLU(),
        nn.Conv2d(32, 64, 4, stride=2),
        nn.ReLU(),
        nn.Conv2d(64, 64, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * 7 * 7, 512),
        nn.ReLU(),
    )


def head(inputs: int, outputs: int) -> nn.Sequential:
    """Two hidden layers of 256."""
    hidden = (nn.Linear(inputs, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU())
    return nn.Sequential(*hidden, nn.Linear(256, outputs))


class Policy(nn.Module):
    """The action from frames and state."""

    def __init__(self) -> None:
        super().__init__()
        self.see, self.act = encoder(), head(512 + STATE, 2)

    def forward(self, frames: Tensor, state: Tensor) -> Tensor:
        return torch.tanh(self.act(torch.cat((self.see(frames), state), dim=1)))


class Values(nn.Module):
    """Two values from frames, state and action."""

    def __init__(self) -> None:
        super().__init__()
        self.see = encoder()
        self.first, self.second = head(512 + STATE + 2, 1), head(512 + STATE + 2, 1)

    def forward(self, frames: Tensor, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        seen = torch.cat((self.see(frames), state, action), dim=1)
        return self.first(seen).float(), self.second(seen).float()


class PlainLearner:
    """Makes two updates at a time, the second with the actor."""

    def __init__(self, batch: int, precision: str, form: str, device: torch.device) -> None:
        """
        Args:
            precision: float32, tf32 or bfloat16.
            form: eager, graph or compiled (which is recorded as a graph too).
        """
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = True, False
        self._batch, self._half, self._device = batch, precision == "bfloat16", device
        self._policy, self._values = Policy(), Values()
        for network in (self._policy, self._values):
            network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._targets = copy.deepcopy(self._policy), copy.deepcopy(self._values)
        recorded = form != "eager"
        self._policy_adam, self._values_adam = (
            torch.optim.Adam(network.parameters(), RATE, fused=True, capturable=recorded)
            for network in (self._policy, self._values)
        )
        self._fill()
        self.pair: Callable[[], None] = self._two_updates
        if form == "compiled":
            self.pair = torch.compile(self._two_updates)
        if recorded:
            self.pair = record(self.pair)

    def _fill(self) -> None:
        make = {"device": self._device}
        self._frames = torch.randint(0, 256, (STEPS, SIDE, SIDE), dtype=torch.uint8, **make)  # type: ignore[call-overload]
        self._states = torch.randn((STEPS, STATE), **make)  # type: ignore[call-overload]
        self._actions = torch.rand((STEPS, 2), **make) * 2 - 1  # type: ignore[call-overload]
        self._rewards = torch.randn((STEPS, 1), **make)  # type: ignore[call-overload]
        self._around = torch.arange(1 - STACK, 2, device=self._device)

    def _two_updates(self) -> None:
        self._update_values(self._draw())
        chosen = self._draw()
        self._update_values(chosen)
        self._update_policy(chosen)

    def _draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """Slots of a batch, and the frames of its observations and of the next ones."""
        slots = torch.randint(STACK, STEPS - 2, (self._batch,), device=self._device)
        window = self._frames[slots[:, None] + self._around]
        return slots, scaled(window[:, :STACK]), scaled(window[:, 1:])

    def _update_values(self, chosen: tuple[Tensor, Tensor, Tensor]) -> None:
        slots, now, beyond = chosen
        action, after = self._actions[slots], self._states[slots + 1]
        with torch.autocast("cuda", torch.bfloat16, enabled=self._half):
            with torch.no_grad():
                noise = (torch.randn_like(action) * NOISE).clamp(-NOISE_CLIP, NOISE_CLIP)
                smoothed = (self._targets[0](beyond, after) + noise).clamp(-1, 1)
                goal = self._rewards[slots] + GAMMA * torch.min(*self._targets[1](beyond, after, smoothed))
            first, second = self._values(now, self._states[slots], action)
            loss = functional.mse_loss(first, goal) + functional.mse_loss(second, goal)
        self._values_adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._values.parameters(), CRITIC_NORM, foreach=True)
        self._values_adam.step()

    def _update_policy(self, chosen: tuple[Tensor, Tensor, Tensor]) -> None:
        slots, now, _ = chosen
        state = self._states[slots]
        with torch.autocast("cuda", torch.bfloat16, enabled=self._half):
            action = self._policy(now, state)
            with torch.no_grad():
                seen = self._values.see(now)
            value = self._values.first(torch.cat((seen, state, action), dim=1)).float()
        weights = list(self._policy.parameters())
        for weight, gradient in zip(weights, torch.autograd.grad(-value.mean(), weights), strict=True):
            weight.grad = gradient
        nn.utils.clip_grad_norm_(weights, ACTOR_NORM, foreach=True)
        self._policy_adam.step()
        with torch.no_grad():
            for target, network in zip(self._targets, (self._policy, self._values), strict=True):
                torch._foreach_lerp_(list(target.parameters()), list(network.parameters()), TAU)


def scaled(frames: Tensor) -> Tensor:
    """Pixels of 0 .. 1, channels-last."""
    return frames.to(torch.float32, memory_format=torch.channels_last) / 255


def record(work: Callable[[], None]) -> Callable[[], None]:
    """``work`` as a CUDA graph."""
    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(5):
            work()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay
