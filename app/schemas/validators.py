"""marshmallow's validators, whose limits may be a `Bound` of the settings. apispec reads ranges, lengths and patterns from them."""

from typing import Any

from marshmallow import ValidationError, validate


class _Bounded:
    """A validator whose `max` is given as a number, or as a function that returns one."""

    _max = None

    @property
    def max(self) -> Any:
        """The limit in force."""
        return self._max() if callable(self._max) else self._max

    @max.setter
    def max(self, limit):
        self._max = limit


class Range(_Bounded, validate.Range):
    """A number from `min`, which may be given as a function, too, to `max`."""

    _min = None

    @property
    def min(self) -> Any:
        """The lower limit in force."""
        return self._min() if callable(self._min) else self._min

    @min.setter
    def min(self, limit):
        self._min = limit


class Length(_Bounded, validate.Length):
    """A text from `min` to `max` characters long."""

    def __call__(self, value):
        """Return `value`. Raise ValidationError."""
        limit = self.max
        # marshmallow would look the limit up for each question it asks of it
        if (limit is None or len(value) <= limit) and (self.min is None or len(value) >= self.min):
            return value
        return super().__call__(value)


class Size(_Bounded, validate.Length):
    """A list of at most `max` values."""

    def __call__(self, value):
        """Return `value`. Raise ValidationError, which says how many there are."""
        if len(value) > (limit := self.max):
            raise ValidationError(f"At most {limit} values are allowed; these are {len(value)}.")
        return value


class Pattern(validate.Regexp):
    """A text that `regex` matches as a whole: in Python, `$` allows a line break behind it."""

    def __call__(self, value):
        """Return `value`. Raise ValidationError."""
        if not self.regex.fullmatch(value):
            raise ValidationError(self.error)
        return value


class Without(validate.Regexp):
    """A text that holds none of `characters`, which mean themselves inside a regular expression's brackets."""

    def __init__(self, characters):
        super().__init__(f"^[^{characters}]+$")
        self.characters = characters

    def __call__(self, value):
        """Return `value`. Raise ValidationError, which says which of the characters were found."""
        found = [character for character in self.characters if character in value]
        if found:
            raise ValidationError(f"A name may not contain {' '.join(found)} (nor any of {' '.join(self.characters)}).")
        return value
