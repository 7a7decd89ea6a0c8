"""How much room tables take."""

from sqlalchemy import text

from app.db.engine import is_sqlite

# SQLite knows the size of its file; that of a table only where it was compiled to
POSTGRESQL = text(
    "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' AND oid = ANY(:tables ::regclass[]::oid[])"
)
SQLITE = text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")


def table_sizes(session, tables):
    """Return bytes by table, with its indexes and what is stored apart: {name: bytes}. On SQLite, those of the file as `all`."""
    if is_sqlite(session.get_bind()):
        return {"all": session.scalar(SQLITE)}
    return dict(session.execute(POSTGRESQL, {"tables": tables}).all())
