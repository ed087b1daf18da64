"""Gradient norms as they are, before and after clipping.

A norm is always the L2 norm over all tensors of a network or of one of its parts, never a sum of norms.
"""

from __future__ import annotations

from typing import Sequence

import torch
from torch import Tensor, nn

from td3_driving.learning.networks import Network


def global_norm(parameters: Sequence[nn.Parameter]) -> Tensor:
    """L2 norm over the gradients of all ``parameters``, a scalar; parameters without gradient count as zero."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return torch.zeros(())
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    return norm


def clip_and_measure(network: Network, max_norm: float, name: str) -> dict[str, Tensor]:
    """Scale the gradients of ``network`` to a global norm of at most ``max_norm``.

    Returns:
        ``gradients/`` series of ``name``: the norms of the parts cnn (where there is one) and mlp before clipping, of the whole
        before and after, and whether clipping was needed (1 or 0).
    """
    parameters = network.part("cnn") + network.part("mlp")
    cnn, mlp = (global_norm(network.part(part)) for part in ("cnn", "mlp"))
    before = torch.hypot(cnn, mlp)
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    torch._foreach_mul_(gradients, torch.clamp(max_norm / before, max=1.0))
    # A critic that is told everything has no encoder, and a gradient of zero would look like a dead one.
    encoder = {f"gradients/{name}_cnn_norm": cnn} if network.part("cnn") else {}
    return encoder | {
        f"gradients/{name}_mlp_norm": mlp,
        f"gradients/{name}_norm_pre_clip": before,
        f"gradients/{name}_norm_post_clip": global_norm(parameters),
        f"gradients/{name}_clip_share": (before > max_norm).float(),
    }
