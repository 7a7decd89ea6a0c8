"""References between rows of one table, which another table holds: those that lead on from some rows, however many references away."""

from sqlalchemy import Uuid, bindparam, select


def references_from(table, near, far):
    """Return the SELECT of the rows of `table` that lead on from the ids in the parameter `starts`, in the order they were made.

    `near` and `far` are its columns at which a reference is followed: parent and reference, or the other way round.
    """
    # UNION, which leaves out what was found before: a circle of references ends
    found = select(table).where(near.in_(bindparam("starts", type_=Uuid, expanding=True))).cte("found", recursive=True)
    found = found.union(select(table).join(found, near == found.c[far.name]))
    return select(found).order_by(found.c.id)
