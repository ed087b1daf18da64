"""An update rule of one's own: the mean of both target Qs, and a loss that large errors pull at less."""

from torch import Tensor
from torch.nn import functional

from td3_driving.learning.algorithms.base import ActorObjective, Algorithm, deterministic_action, own_features
from td3_driving.learning.networks import Inputs


class MyAlgorithm(Algorithm):
    unused = frozenset({"target_noise", "target_noise_clip"})

    def next_value(self, beyond: Inputs) -> Tensor:
        action = self.networks.actor_target(beyond.frames, beyond.states)
        q1, q2 = self.networks.critic_target(beyond, action)
        return 0.5 * (q1 + q2)

    def critic_loss(self, q1: Tensor, q2: Tensor, target: Tensor) -> Tensor:
        return functional.smooth_l1_loss(q1, target) + functional.smooth_l1_loss(q2, target)

    def actor_objective(self, now: Inputs) -> ActorObjective:
        action, penalty = deterministic_action(self.networks.actor, now, self.rule)
        critic = self.networks.critic
        return ActorObjective(critic.first_value(own_features(critic, now), action), penalty, action)
