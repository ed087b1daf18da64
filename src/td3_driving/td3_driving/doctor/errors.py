# SPDX-License-Identifier: Apache-2.0
"""The one error that users of the doctor see."""


class Unusable(ValueError):
    """The input cannot be examined. The message says why in one sentence."""
