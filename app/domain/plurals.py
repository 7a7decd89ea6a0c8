"""Numbers of things in sentences."""


def counted(number, noun, plural=None):
    """Return `number` with `noun` or its plural, which has an s unless it is given."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"
