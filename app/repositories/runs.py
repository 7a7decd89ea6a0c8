"""What flow runs and task runs share: the state that is embedded in an answer, writing a run with its first state, and entering others."""

from datetime import datetime

from sqlalchemy import Float, Integer, Select, Table, Text, Uuid, bindparam, select, update
from sqlalchemy import insert as plain_insert

from app.db.engine import writes_in_with
from app.db.sql import insert, prepared, rows
from app.db.types import Json, JsonRows, UtcDateTime, raw
from app.domain.ids import new_id
from app.domain.instants import parse
from app.domain.states import RunTimes, State, StateType, enter, estimated_run_time, estimated_start_time_delta
from app.errors import NotFound
from app.repositories import new_runs
from app.repositories.base import FilteredRepository
from app.repositories.json_text import COMPUTED, NULL, RowWriter, converted, members_text, number_text

STATE_MEMBERS = ("type", "name", "timestamp", "message", "data", "state_details")

# Columns of an answer that both kinds of run have
SHARED_COLUMNS = (
    "id",
    "created",
    "updated",
    "name",
    "tags",
    "state_id",
    "state_type",
    "state_name",
    "run_count",
    "total_run_time",
    "expected_start_time",
    "next_scheduled_start_time",
    "start_time",
    "end_time",
)

# Columns that entering a state changes, apart from `updated` and `state_id`
TIMES = tuple(RunTimes.__dataclass_fields__)
LOCKED = ("id", "name", "state_id", "state_type", "state_name", *TIMES)
ENTERED = {
    "state_type": Text,
    "state_name": Text,
    "run_count": Integer,
    "total_run_time": Float(53),
    "expected_start_time": UtcDateTime,
    "next_scheduled_start_time": UtcDateTime,
    "start_time": UtcDateTime,
    "end_time": UtcDateTime,
}
STATE_TYPES = {"type": Text, "name": Text, "timestamp": UtcDateTime, "message": Text, "data": Json, "state_details": Json}


def run_sorts(table):
    """Return the orders in which runs can be listed, as the reference names them. Runs without the sorted value come last."""
    return {
        "ID_DESC": (table.c.id.desc(),),
        "EXPECTED_START_TIME_ASC": (table.c.expected_start_time.asc().nulls_last(), table.c.id),
        "EXPECTED_START_TIME_DESC": (table.c.expected_start_time.desc().nulls_last(), table.c.id.desc()),
        "NAME_ASC": (table.c.name, table.c.id),
        "NAME_DESC": (table.c.name.desc(), table.c.id.desc()),
        "NEXT_SCHEDULED_START_TIME_ASC": (table.c.next_scheduled_start_time.asc().nulls_last(), table.c.id),
        "END_TIME_DESC": (table.c.end_time.desc().nulls_last(), table.c.id.desc()),
    }


def answer_columns(table, names):
    """Return the columns of a table in an answer, JSON as it is stored."""
    return tuple(raw(table.c[name]) if isinstance(table.c[name].type, Json) else table.c[name] for name in names)


def with_state(table, state_table, *columns):
    """Return the SELECT of `columns` of runs and, under `current_*`, of their states."""
    state = [column.label(f"current_{column.name}") for column in answer_columns(state_table, STATE_MEMBERS)]
    return select(*columns, *state).outerjoin(state_table, state_table.c.id == table.c.state_id)


class RunWriter(RowWriter):
    """Writes runs, with what `Runs.with_state` adds to the columns of one: estimates, and its state."""

    computed = dict.fromkeys(("estimated_run_time", "estimated_start_time_delta", "state"), COMPUTED)

    def __init__(self, selection, shape):
        state = [f"current_{name}" for name in STATE_MEMBERS]
        super().__init__(selection, shape, beside=state)
        self._written = len(self.names) - len(state)
        # whatever comes after the computed members: the flow runner of a flow run
        self._head = next(place for place, name in enumerate((*shape, None)) if name in self.computed or name is None)
        self._state = members_text({"id": "state_id"} | dict(zip(STATE_MEMBERS, state, strict=True)))
        read = ("state_id", "state_type", "total_run_time", "expected_start_time", "start_time", "current_timestamp")
        self._read = [self.names.index(name) for name in read]

    def write(self, rows, now):
        """Return the JSON text of each row, with estimates as of `now`."""
        converters, head, written = self.converters(), self._head, self._written
        id_at, type_at, total_at, expected_at, start_at, entered_at = self._read
        texts = []
        for row in rows:
            values = converted(row, converters)
            state_type, entered = row[type_at], _instant(row[entered_at])
            run_time = estimated_run_time(float(row[total_at]), state_type, entered, now)
            delta = estimated_start_time_delta(_instant(row[expected_at]), _instant(row[start_at]), state_type, now)
            state = NULL if row[id_at] is None else self._state % (values[id_at], *values[written:])
            computed = (number_text(run_time), number_text(delta), state)
            texts.append(self._template % (*values[:head], *computed, *values[head:written]))
        return texts


def _instant(text):
    return text and datetime.fromisoformat(text)


class RunStatements:
    """The statements on the runs of one kind and on the history of their states.

    `columns` are those of an answer, `unique` the names of those that identify a run, `locked` of those that a transition needs to know
    besides what both kinds have.
    """

    def __init__(self, table, state_table, columns, unique, locked):
        state = state_table.c
        self.table, self.state_table, self.columns, self.unique = table, state_table, columns, unique
        self.run_id = state[f"{table.name}_id"]
        by_id = table.c.id == bindparam("wanted")
        self.selection = with_state(table, state_table, *columns)
        self.by_unique = prepared(self.selection.where(*(table.c[name] == bindparam(name) for name in unique)))
        # parameters and inputs may be megabytes, and a transition needs none of them
        self.lock = prepared(select(*(table.c[name] for name in (*LOCKED, *locked))).where(by_id).with_for_update(key_share=True))
        self.state_id = prepared(select(table.c.state_id).where(by_id))
        self.update = update(table).where(by_id)
        key = [table.c[name] for name in unique]
        self.insert = insert(table).on_conflict_do_nothing(index_elements=key).returning(*columns)
        self.state = prepared(select(state_table).where(state.id == bindparam("wanted")))
        states = select(state.id, *answer_columns(state_table, STATE_MEMBERS))
        self.state_answer = prepared(states.where(state.id == bindparam("wanted")))
        self.history = prepared(states.where(self.run_id == bindparam("run_id")).order_by(state.timestamp, state.id))
        self.entered_at = select(state.id, state.timestamp).where(state.id.in_(bindparam("ids", type_=Uuid, expanding=True)))
        self.record = plain_insert(state_table)
        # the same for many runs at once
        entries = rows(bindparam("entries", type_=JsonRows), run_id=Uuid, state_id=Uuid, **ENTERED, **STATE_TYPES)
        now = bindparam("now", type_=UtcDateTime)
        changes = {"updated": now, "state_id": entries.c.state_id} | {name: entries.c[name] for name in ENTERED}
        self.update_many = update(table).where(table.c.id == entries.c.run_id).values(changes)
        entry = {"id": entries.c.state_id, "created": now, self.run_id.name: entries.c.run_id}
        entry |= {name: entries.c[name] for name in STATE_TYPES}
        self.record_many = plain_insert(state_table).from_select(list(entry), select(*entry.values()), include_defaults=False)


class Runs(FilteredRepository):
    """Runs of one kind, each with its current state. A subclass has `statements`, and `unique`, the columns that identify a run."""

    state_table: Table
    statements: RunStatements
    subflows: Select  # locks the flow runs that a deletion takes along, with the id `wanted`
    unique = ()

    def document(self, row, now):
        """Return a run as clients see it, with estimates as of `now`."""
        document = row._asdict()
        state = {name: document.pop(f"current_{name}") for name in STATE_MEMBERS}
        return self.with_state(document, state, now)

    def with_state(self, document, state, now):
        """Return the answer for a run: `document`, its columns, with its `state`, the members of one, and estimates as of `now`."""
        # SQLite answers a whole number where an INSERT returns what it stored
        document["total_run_time"] = float(document["total_run_time"])
        document["estimated_run_time"] = estimated_run_time(document["total_run_time"], document["state_type"], state["timestamp"], now)
        document["estimated_start_time_delta"] = estimated_start_time_delta(
            document["expected_start_time"], document["start_time"], document["state_type"], now
        )
        document["state"] = None if document["state_id"] is None else {"id": document["state_id"], **state}
        return document

    def create(self, values, state):
        """Create the run with the columns `values` in `state`. Return its answer, and whether it is new.

        A run with the same `unique` values that exists already is returned as it is.
        """
        now = self.clock()
        created = self._insert(values, state, now)
        while created is None:
            existing = self._documents(self.statements.by_unique, {name: values[name] for name in self.unique})
            if existing:
                return existing[0], False
            # the run with these values was deleted since the insert
            created = self._insert(values, state, now)
        return created, True

    def _insert(self, values, state, now):
        """Insert the run with its state. Return its answer, or None for one that exists already."""
        columns, members, entry = self._new(values, state, now)
        if writes_in_with(self.session):
            # one round trip in place of two
            statement = new_runs.create(self.statements, tuple(columns))
            row = self.session.execute(statement, new_runs.run_parameters(columns) | entry).one_or_none()
        else:
            row = self.session.execute(self.statements.insert, columns).one_or_none()
            if row is not None:
                self._record(columns["state_id"], columns["id"], members, now)
        return row and self.with_state(row._asdict(), members, now)

    def _new(self, values, state, now):
        """Return the columns of a new run, the members of its first state, and the parameters for that."""
        times = enter(RunTimes(), None, state)
        columns = {"id": new_id(), "created": now, "updated": now, "state_id": new_id()} | _entered(times, state) | values
        members = _members(state, self.state_references(columns))
        return columns, members, new_runs.state_parameters({"id": columns["state_id"], "created": now} | members)

    @staticmethod
    def state_references(run):
        """Return the members of a state's details that name its run; `run` maps the columns of that to values."""
        raise NotImplementedError

    def require_state(self, id):
        """Return one entry of a history, as clients see it. Raise NotFound."""
        row = self.session.execute(self.statements.state_answer, {"wanted": id}).one_or_none()
        if row is None:
            raise NotFound(f"{self.kind} state")
        return row._asdict()

    def history(self, run_id):
        """Return the history of a run, the first state first. It is empty for a run that does not exist."""
        return [row._asdict() for row in self.session.execute(self.statements.history, {"run_id": run_id})]

    def lock(self, id):
        """Lock the row `id` until the transaction ends. Return what transitions need of it, and its current `State` or None.

        Raise NotFound.
        """
        # in two statements: one that has waited for the lock would join the new row with the state of the old one
        run = self.session.execute(self.statements.lock, {"wanted": id}).one_or_none()
        if run is None:
            raise NotFound(self.kind)
        return run, self.current_state(run)

    def require_current_state(self, id):
        """Return the `State` that the run `id` is in, or None. Raise NotFound."""
        run = self.session.execute(self.statements.state_id, {"wanted": id}).one_or_none()
        if run is None:
            raise NotFound(self.kind)
        return self.current_state(run)

    def current_state(self, run):
        """Return the `State` that the row `run` is in, or None."""
        if run.state_id is None:
            return None
        return self.state_of(self.session.execute(self.statements.state, {"wanted": run.state_id}).one())

    @staticmethod
    def state_of(state):
        """Return the `State` that a row of the history describes."""
        scheduled_time = state.state_details.get("scheduled_time")
        return State(
            type=StateType(state.type),
            timestamp=state.timestamp,
            name=state.name,
            message=state.message,
            data=state.data,
            details=state.state_details,
            scheduled_time=scheduled_time and parse(scheduled_time),
        )

    def entered_at(self, state_ids):
        """Return when states of the history were entered: {id: instant}."""
        return dict(self.session.execute(self.statements.entered_at, {"ids": state_ids}).all()) if state_ids else {}

    def enter(self, run, previous, state):
        """Take the locked row `run` from `previous` to `state` (each a `State`; `previous` may be None).

        Return the new entry of its history, as clients see it.
        """
        now, id = self.clock(), new_id()
        times = enter(_times(run), previous, state)
        members = _members(state, self.state_references(run._mapping))
        changes = {"updated": now, "state_id": id} | _entered(times, state)
        if writes_in_with(self.session):
            # one round trip in place of two
            entry = new_runs.state_parameters({"id": id, "created": now} | members)
            self.session.send(new_runs.enter(self.statements), {"wanted": run.id} | new_runs.run_parameters(changes) | entry)
        else:
            self.session.execute(self.statements.update, {"wanted": run.id} | changes)
            self._record(id, run.id, members, now)
        return {"id": id, **members}

    def enter_many(self, transitions):
        """Do what `enter` does for many runs in two statements. `transitions` are triples of a row, its state and the state to enter.

        The rows need the columns of `RunTimes` and those that `state_references` reads.
        """
        entries = []
        for run, previous, state in transitions:
            entered = _entered(enter(_times(run), previous, state), state)
            members = _members(state, self.state_references(run._mapping))
            entries.append({"run_id": run.id, "state_id": new_id()} | entered | members)
        parameters = {"entries": entries, "now": self.clock()}
        self.session.execute(self.statements.update_many, parameters)
        self.session.execute(self.statements.record_many, parameters)

    def _record(self, id, run_id, members, now):
        self.session.execute(self.statements.record, {"id": id, "created": now, self.statements.run_id.name: run_id} | members)

    # the locks of what is deleted with a run, in the order in which everybody takes them
    locks_for_delete: tuple[Select, ...]

    def delete(self, id):
        """Delete the run `id`, with all that is below it. Raise NotFound."""
        for statement in self.locks_for_delete:
            self.session.execute(statement, {"wanted": id})
        super().delete(id)

    def update(self, id, changes):
        """Set the columns in `changes`. Raise NotFound."""
        if not self.session.execute(self.statements.update, changes | {"updated": self.clock(), "wanted": id}).rowcount:
            raise NotFound(self.kind)


def _times(run):
    return RunTimes(**{name: getattr(run, name) for name in TIMES})


def _entered(times, state):
    return {"state_type": state.type, "state_name": state.name} | {name: getattr(times, name) for name in TIMES}


def _members(state, references):
    members = {"type": state.type, "name": state.name, "timestamp": state.timestamp, "message": state.message, "data": state.data}
    return members | {"state_details": state.details | references}
