# SPDX-License-Identifier: Apache-2.0
"""The three verdicts, and which kinds of run deserve which."""

GO, NO_GO, INSUFFICIENT = "GO", "NO-GO", "INSUFFICIENT"
TRUTHS = {"healthy": GO, "recovered": GO, "short": INSUFFICIENT, "cut_off": INSUFFICIENT}
"""Every other kind is a sickness: NO-GO."""
