"""The sizes a request may have. Settings fill them in; the schemas read the ones that are in force for the request at hand."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """Upper limits on what a request may carry. Lengths are in characters, the body in bytes."""

    body_bytes: int = 16 * 1024 * 1024
    json_depth: int = 64
    tags: int = 200
    tag_length: int = 255
    name_length: int = 255
    idempotency_key_length: int = 255
    filter_values: int = 1000
    page_size: int = 200
    offset: int = 100_000
    runs_per_request: int = 10_000
    min_interval_seconds: float = 1.0

    @property
    def cursor_page_size(self):
        """Return the largest page of a list that is read with a cursor: each of them costs the same, wherever it is."""
        return max(1000, self.page_size)
