"""Shortened ids: what a person copies from a list instead of all 36 characters."""

from sqlalchemy import String, cast, func, or_, select


def matching_ids(session, model, text, limit=2):
    """Return up to `limit` ids of `model`'s rows that begin or end with `text`, hexadecimal digits with or without hyphens."""
    column = model.__table__.c.id
    digits = func.replace(cast(column, String), "-", "")
    wanted = text.replace("-", "").lower()
    statement = select(column).where(or_(digits.like(f"{wanted}%"), digits.like(f"%{wanted}")))
    return session.scalars(statement.limit(limit)).all()
