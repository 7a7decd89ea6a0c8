"""Tables of references between rows of one other table: which rows are reached from some, however many references away."""

from sqlalchemy import select


def references_from(session, table, near, far, starts):
    """The rows of `table` that are reached from the ids `starts`, in the order they were made.

    `near` and `far` are its columns at which a reference is entered and left: parent and reference, or the other way round.
    """
    if not starts:
        return []
    # UNION, which leaves out what was found before: a circle of references ends
    found = select(table).where(near.in_(starts)).cte("found", recursive=True)
    found = found.union(select(table).join(found, near == found.c[far.name]))
    return session.execute(select(found).order_by(found.c.id)).all()
