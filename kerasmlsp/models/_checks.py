"""Arguments that model builders refuse."""


def check_sizes(least=1, /, **sizes):
    """Raises a ValueError for a size that is less than `least`."""
    for name, value in sizes.items():
        if value < least:
            raise ValueError(f"`{name}` must be at least {least}. Received: {name}={value}")


def check_rates(**rates):
    """Raises a ValueError for a rate that is outside `[0, 1)`."""
    for name, value in rates.items():
        if not 0 <= value < 1:
            raise ValueError(f"`{name}` must be in [0, 1). Received: {name}={value}")
