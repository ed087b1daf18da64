"""Training runs of other libraries with their truth, and the command that judges the doctor by them."""
