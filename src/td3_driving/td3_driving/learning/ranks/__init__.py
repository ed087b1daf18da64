# SPDX-License-Identifier: Apache-2.0
"""Several learners that act as one: processes, on one machine or on several, that share experience and gradients.

Rank 0 is the learner of the run: it hears the experience, keeps the account, and publishes weights, status and
checkpoints. The other ranks need no ROS. They do what rank 0 orders over a connection of their own, and meet it in
``torch.distributed`` for the gradients alone.
"""
