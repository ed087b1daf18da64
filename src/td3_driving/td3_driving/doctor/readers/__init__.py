"""Readers of what training libraries leave behind; each yields the scalars of one file or folder as a stream."""
