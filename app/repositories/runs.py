"""What flow runs and task runs share: the state that is embedded in an answer, and writing a run with its first state."""

from functools import cache

from sqlalchemy import bindparam, select, update
from sqlalchemy import insert as plain_insert

from app.db.dialects import Json, insert, raw
from app.domain.ids import new_id
from app.domain.instants import parse
from app.domain.states import RunTimes, State, StateType, enter, estimated_run_time, estimated_start_time_delta
from app.errors import NotFound
from app.repositories.base import Repository, built_once

STATE_COLUMNS = ("type", "name", "timestamp", "message", "data", "state_details")


def run_sorts(table):
    """The orders in which runs can be listed, as the reference names them. Runs without the sorted value come last."""
    return {
        "ID_DESC": (table.c.id.desc(),),
        "EXPECTED_START_TIME_ASC": (table.c.expected_start_time.asc().nulls_last(), table.c.id),
        "EXPECTED_START_TIME_DESC": (table.c.expected_start_time.desc().nulls_last(), table.c.id.desc()),
        "NAME_ASC": (table.c.name, table.c.id),
        "NAME_DESC": (table.c.name.desc(), table.c.id.desc()),
        "NEXT_SCHEDULED_START_TIME_ASC": (table.c.next_scheduled_start_time.asc().nulls_last(), table.c.id),
        "END_TIME_DESC": (table.c.end_time.desc().nulls_last(), table.c.id.desc()),
    }


class Runs(Repository):
    """Runs of one kind, each with its current state."""

    state_table = None
    unique = ()

    @classmethod
    @cache
    def selection(cls):
        """The run's columns and, under `current_*`, those of its state."""
        return select(*cls.columns(), *cls._state_columns()).outerjoin(cls.state_table, cls.state_table.c.id == cls.table.c.state_id)

    @classmethod
    @cache
    def columns(cls):
        """The run's own columns, JSON as it is stored."""
        return [raw(column) if isinstance(column.type, Json) else column for column in cls.table.c]

    @classmethod
    def _state_columns(cls):
        state = cls.state_table.c
        return [(raw(state[name]) if name in ("data", "state_details") else state[name]).label(f"current_{name}") for name in STATE_COLUMNS]

    def document(self, row, now):
        """A run as clients see it, with estimates as of `now`."""
        document = row._asdict()
        state = {name: document.pop(f"current_{name}") for name in STATE_COLUMNS}
        return self._with_state(document, state, now)

    def _with_state(self, document, state, now):
        # SQLite answers a whole number where an INSERT returns what it stored
        document["total_run_time"] = float(document["total_run_time"])
        document["estimated_run_time"] = estimated_run_time(document["total_run_time"], document["state_type"], state["timestamp"], now)
        document["estimated_start_time_delta"] = estimated_start_time_delta(
            document["expected_start_time"], document["start_time"], document["state_type"], now
        )
        document["state"] = None if document["state_id"] is None else {"id": document["state_id"], **state}
        return document

    def create(self, values, state):
        """The document of the run that `values` describe, and whether it was made now, in `state`.

        A run with the same `unique` values that exists already is answered as it is.
        """
        now = self.clock()
        row = self._insert(values, state, now)
        while row is None:
            existing = self._documents(self.selection().where(*(self.table.c[name] == values[name] for name in self.unique)))
            if existing:
                return existing[0], False
            # whoever held the unique values has let go of them since the insert
            row = self._insert(values, state, now)
        document = row._asdict()
        details = state.details | self.state_references(document)
        self._record(document["state_id"], document["id"], state, details, now)
        return self._with_state(document, _embedded(state, details), now), True

    def _insert(self, values, state, now):
        times = enter(RunTimes(), None, state)
        values = (
            {"id": new_id(), "created": now, "updated": now, "state_id": new_id(), "state_type": state.type, "state_name": state.name}
            | {name: getattr(times, name) for name in RunTimes.__dataclass_fields__}
            | values
        )
        return self.session.execute(self._insertion(self.session), values).one_or_none()

    @classmethod
    @built_once
    def _insertion(cls, session):
        key = [cls.table.c[name] for name in cls.unique]
        return insert(session, cls.table).on_conflict_do_nothing(index_elements=key).returning(*cls.columns())

    def state_references(self, document):
        """The members of a state's details that say whose state it is."""
        raise NotImplementedError

    @property
    def state_key(self):
        """The column by which a state names its run: `flow_run_id` or `task_run_id`."""
        return f"{self.table.name}_id"

    def require_state(self, id):
        """One entry of a history, as clients see it. Raises NotFound."""
        row = self.session.execute(self._states().where(self.state_table.c.id == id)).one_or_none()
        if row is None:
            raise NotFound(f"{self.kind} state")
        return row._asdict()

    def history(self, run_id):
        """The history of a run, the first state first; empty for one that does not exist."""
        state = self.state_table.c
        statement = self._states().where(state[self.state_key] == run_id).order_by(state.timestamp, state.id)
        return [row._asdict() for row in self.session.execute(statement)]

    def _states(self):
        state = self.state_table.c
        return select(state.id, *(raw(state[name]) if name in ("data", "state_details") else state[name] for name in STATE_COLUMNS))

    def lock(self, id):
        """The whole row `id`, locked until the transaction ends, and its current `State` (or None). Raises NotFound."""
        # in two statements: one that has waited for the lock would join the new row with the state of the old one
        run = self.session.execute(select(self.table).where(self.table.c.id == id).with_for_update(key_share=True)).one_or_none()
        if run is None:
            raise NotFound(self.kind)
        return run, self.current_state(run)

    def current_state(self, run):
        """The `State` that the row `run` is in, or None."""
        if run.state_id is None:
            return None
        return self.state_of(self.session.execute(select(self.state_table).where(self.state_table.c.id == run.state_id)).one())

    @staticmethod
    def state_of(state):
        """The `State` that a row of the history describes."""
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

    def enter(self, run, previous, state):
        """Take the locked row `run` from `previous` to `state` (each a `State`; `previous` may be None): one more entry of its history.

        Returns the entry as clients see it.
        """
        now = self.clock()
        times = enter(RunTimes(**{name: getattr(run, name) for name in RunTimes.__dataclass_fields__}), previous, state)
        id, details = new_id(), state.details | self.state_references(run._mapping)
        changes = {"updated": now, "state_id": id, "state_type": state.type, "state_name": state.name}
        changes |= {name: getattr(times, name) for name in RunTimes.__dataclass_fields__}
        self.session.execute(self._change(), changes | {"wanted": run.id})
        self._record(id, run.id, state, details, now)
        return {"id": id, **_embedded(state, details)}

    def _record(self, id, run_id, state, details, now):
        values = {"id": id, "created": now, self.state_key: run_id} | _embedded(state, details)
        self.session.execute(plain_insert(self.state_table), values)

    def delete(self, id):
        """Delete the run `id`, with all that is below it. Raises NotFound."""
        # a subflow's run changes state holding itself and then its parent; a deletion reaches them the other way round
        self.session.execute(self.subflows(id))
        super().delete(id)

    def subflows(self, id):
        """The SELECT that locks the flow runs whose parents are deleted with run `id`."""
        raise NotImplementedError

    def update(self, id, changes):
        """Set the columns in `changes`. Raises NotFound."""
        if not self.session.execute(self._change(), changes | {"updated": self.clock(), "wanted": id}).rowcount:
            raise NotFound(self.kind)

    @classmethod
    @cache
    def _change(cls):
        return update(cls.table).where(cls.table.c.id == bindparam("wanted"))


def _embedded(state, details):
    members = {"type": state.type, "name": state.name, "timestamp": state.timestamp, "message": state.message, "data": state.data}
    return members | {"state_details": details}
