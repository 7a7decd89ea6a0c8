"""Numbers of things in sentences."""


def counted(number, noun):
    """Return `number` with the singular or the plural of `noun`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
