"""Alembic's scripts. A package, so that an installed wheel carries them."""
