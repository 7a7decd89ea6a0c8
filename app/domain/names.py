"""Names for runs that are given none."""

from coolname import generate_slug


def random_name():
    """Two words, such as `brave-otter`."""
    return generate_slug(2)
