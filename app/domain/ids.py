"""Identifiers: UUIDs of version 7 (RFC 9562), ordered by the time they were made, so that inserts stay local and newest sorts last."""

from uuid_utils.compat import uuid7

new_id = uuid7
