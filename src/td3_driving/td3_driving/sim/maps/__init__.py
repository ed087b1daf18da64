"""Road networks of our own; ``make_maps`` writes them."""
