"""The one error that the doctor's users meet."""


class Unusable(ValueError):
    """The input cannot be examined; the text is one sentence that says why."""
