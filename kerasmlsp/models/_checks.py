"""Checks of arguments that builders share."""


def check_sizes(**sizes):
    """Raises a ValueError for a size that is less than 1."""
    for name, value in sizes.items():
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")


def check_rates(**rates):
    """Raises a ValueError for a rate outside of `[0, 1)`."""
    for name, value in rates.items():
        if not 0 <= value < 1:
            raise ValueError(f"`{name}` must be in [0, 1). Received: {name}={value}")
