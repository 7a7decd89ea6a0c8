"""Names for runs that are given none."""

import random
from functools import cache

from coolname import generate

# Enough to meet nearly every word of the library's lists
DRAWS = 2_000


def random_name():
    """Two words, such as `brave-otter`."""
    first, second = _words()
    return f"{random.choice(first)}-{random.choice(second)}"


@cache
def _words():
    """The first and the second words of names: to draw one of each is many times faster than to have the library make a name."""
    drawn = [generate(2) for _ in range(DRAWS)]
    return tuple(sorted({words[place] for words in drawn}) for place in (0, 1))
