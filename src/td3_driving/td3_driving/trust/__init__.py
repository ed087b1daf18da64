# SPDX-License-Identifier: Apache-2.0
"""Whom a run believes: its token, the seal on its messages, and the account of strangers."""
