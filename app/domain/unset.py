"""A marker for what a request does not name: on an update an absent field keeps its value, where null clears it."""

from enum import Enum


class Unset(Enum):
    """The type of UNSET."""

    UNSET = "UNSET"

    def __repr__(self):
        return "UNSET"

    def __bool__(self):
        return False


UNSET = Unset.UNSET


def given(value):
    """Return the fields of a dataclass instance that are set, by name."""
    return {name: field for name, field in vars(value).items() if field is not UNSET}
