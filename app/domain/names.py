"""Names for runs that are given none."""

import random
from functools import cache

from coolname import generate

# Enough to meet nearly every word of the library's lists
DRAWS = 2_000


def random_name():
    """Return two words, such as `brave-otter`."""
    first, second = _words()
    return f"{random.choice(first)}-{random.choice(second)}"


@cache
def _words():
    """Return the first and the second words of names: drawing one of each is many times faster than the library's own names."""
    drawn = [generate(2) for _ in range(DRAWS)]
    return tuple(sorted({words[place] for words in drawn}) for place in (0, 1))
