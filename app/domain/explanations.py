"""Why a deployment does not run, or why a run does not start: reasons, from facts that are in the database, the most decisive first."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from app.domain import schedules
from app.domain.instants import LATEST, isoformat
from app.domain.start_policy import Room, RunFacts, no_room

# Nobody has asked a queue for runs for so long
UNPOLLED_AFTER = timedelta(seconds=60)
# Runs and queues that reasons name
LISTED = 5


class Code(StrEnum):
    """What keeps a deployment from running, the most decisive first."""

    NO_SCHEDULE = "no_schedule"
    PAUSED = "paused"
    SCHEDULE_INACTIVE = "schedule_inactive"
    SCHEDULE_ENDED = "schedule_ended"
    NOT_STARTED_YET = "not_started_yet"
    SCHEDULE_ERROR = "schedule_error"
    ALL_EXCLUDED = "all_excluded"
    SCHEDULER_SILENT = "scheduler_silent"
    NO_QUEUE_MATCHES = "no_queue_matches"
    QUEUE_PAUSED = "queue_paused"
    QUEUE_UNPOLLED = "queue_unpolled"
    QUEUE_FULL = "queue_full"
    DEPLOYMENT_FULL = "deployment_full"
    TAG_LIMIT_FULL = "tag_limit_full"
    RUN_LATE = "run_late"
    LEASE_HELD = "lease_held"


# With one of these, a run that waits does not start, though its time come
BLOCKING = frozenset({Code.NO_QUEUE_MATCHES, Code.QUEUE_PAUSED, Code.QUEUE_UNPOLLED, Code.QUEUE_FULL, Code.DEPLOYMENT_FULL})


class Reason(NamedTuple):
    """A reason: a `message` for people, `since` when it holds where that is known, and the ids that it is `about`."""

    code: "Code | RunCode"
    message: str
    since: datetime | None = None
    about: dict[str, Any] = {}


class HeldRun(NamedTuple):
    """A run that is PENDING or RUNNING, since when, and its lease where it has one."""

    id: UUID
    name: str
    state_name: str
    since: datetime
    is_backfill: bool = False
    worker: str | None = None
    lease_id: UUID | None = None
    lease_expires_at: datetime | None = None


class WaitingRun(NamedTuple):
    """A run in a SCHEDULED state, and when it is to start."""

    id: UUID
    name: str
    due: datetime
    deployment_id: UUID | None
    tags: list
    runner: str | None


class Queue(NamedTuple):
    """A work queue: what it is asked for, and when it was asked last. `held` counts its runs where it has a limit."""

    id: UUID
    name: str
    filter: dict
    is_paused: bool
    concurrency_limit: int | None
    last_polled: datetime | None
    held: int = 0

    def matches(self, deployment_id, tags, runner):
        """Return whether runs of a deployment with these tags and this kind of runner are in it."""
        deployments, runners = self.filter.get("deployment_ids"), self.filter.get("flow_runner_types")
        return (
            set(self.filter.get("tags") or ()) <= set(tags)
            and (deployments is None or str(deployment_id) in deployments)
            and (runners is None or runner in runners)
        )


class TagLimitUse(NamedTuple):
    """A concurrency limit on a tag, and how many task runs hold a slot under it."""

    id: UUID
    tag: str
    limit: int
    taken: int


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a deployment (a `Deployment`) and of what runs it."""

    now: datetime
    horizon: datetime
    deployment: Any
    schedules: Iterable[Any] = ()
    waiting: WaitingRun | None = None
    held: tuple[HeldRun, ...] = ()
    queues: tuple[Queue, ...] = ()
    tag_limits: tuple[TagLimitUse, ...] = ()
    # how many runs of the last 24 hours a policy ended, by the name of their state
    not_started: dict[str, int] = field(default_factory=dict)
    # that of the heartbeats which made its pass last
    scheduler: dict[str, Any] | None = None


@dataclass(frozen=True)
class Explanation:
    """Whether the `next_run` starts when its time comes, as things are, and what there is to know about it."""

    will_run: bool
    next_run: datetime | None
    reasons: list[Reason] = field(default_factory=list)


def explain(facts):
    """Return the `Explanation` of a deployment."""
    tags, runner = _what_queues_ask_for(facts)
    reasons = [
        *of_schedules(facts),
        *of_queues(facts.queues, facts.deployment.id, tags, runner, facts.now),
        *of_limit(facts),
        *of_tag_limits(facts.tag_limits),
        *of_late_run(facts.waiting, facts.now),
        *of_leases(facts.held, facts.now),
    ]
    order = list(Code)
    reasons.sort(key=lambda reason: order.index(reason.code))
    will_run = facts.waiting is not None and not any(reason.code in BLOCKING for reason in reasons)
    return Explanation(will_run, facts.waiting and facts.waiting.due, reasons)


def of_schedules(facts):
    """Yield why no runs are made of a deployment's schedules."""
    deployment, found = facts.deployment, list(facts.schedules)
    about = {"deployment_id": deployment.id}
    if not found:
        yield Reason(Code.NO_SCHEDULE, "The deployment has no schedule: it runs only when somebody makes a run.", None, about)
    if not deployment.is_schedule_active:
        note = f": {deployment.pause_note}" if deployment.pause_note else ""
        until = f"until {isoformat(deployment.paused_until)}" if deployment.paused_until else "until somebody resumes it"
        yield Reason(Code.PAUSED, f"The deployment is paused {until}{note}", deployment.paused_since, about)
    for schedule in found:
        yield from _of_schedule(schedule, facts)
    if facts.scheduler is None:
        yield Reason(Code.SCHEDULER_SILENT, "No scheduler runs: start `mintaka scheduler run`.", None, {})
    elif facts.scheduler["silent"]:
        message = "No scheduler has made a pass within three of its loops; the last was that on {host}, process {pid}."
        yield Reason(Code.SCHEDULER_SILENT, message.format(**facts.scheduler), facts.scheduler["last_pass"], {})


def _of_schedule(schedule, facts):
    about, named = {"schedule_id": schedule.id}, f"The schedule {schedule.slug}"
    if not schedule.is_active:
        yield Reason(Code.SCHEDULE_INACTIVE, f"{named} is not active.", None, about)
        return
    if schedule.schedule_error:
        yield Reason(Code.SCHEDULE_ERROR, f"{named} failed: {schedule.schedule_error}", None, about)
        return
    starts_at, ends_at = (_instant(schedule.members.get(name)) for name in ("starts_at", "ends_at"))
    if ends_at is not None and ends_at < facts.now:
        yield Reason(Code.SCHEDULE_ENDED, f"{named} ended at {isoformat(ends_at)}.", ends_at, about)
        return
    if starts_at is not None and starts_at > facts.now:
        yield Reason(Code.NOT_STARTED_YET, f"{named} starts at {isoformat(starts_at)}.", None, about)
    try:
        if next(iter(schedule.schedule.occurrences(facts.now, LATEST, 1)), None) is None:
            yield Reason(Code.SCHEDULE_ENDED, f"{named} has no occurrence from now on.", None, about)
        elif _is_all_excluded(schedule, facts):
            yield _all_excluded(named, facts.horizon, about)
    except schedules.AllExcluded:
        yield _all_excluded(named, facts.horizon, about)
    except schedules.InvalidSchedule as error:
        yield Reason(Code.SCHEDULE_ERROR, f"{named} failed: {error}", None, about)


def _is_all_excluded(schedule, facts):
    """Return whether a schedule has occurrences up to the horizon, and its exclusions leave none of them."""
    if not schedule.members.get("exclude") or any(schedule.schedule.occurrences(facts.now, facts.horizon, 1)):
        return False
    whole = schedules.shape({**schedule.members, "exclude": []}, schedule.key)
    return any(whole.occurrences(facts.now, facts.horizon, 1))


def _all_excluded(named, horizon, about):
    return Reason(Code.ALL_EXCLUDED, f"{named} excludes every occurrence up to {isoformat(horizon)}.", None, about)


def of_queues(queues, deployment_id, tags, runner, now):
    """Yield why no queue hands out runs of a deployment; nothing where one does."""
    matching = [queue for queue in queues if queue.matches(deployment_id, tags, runner)]
    if not matching:
        message = "No work queue has runs with this deployment, these tags and this kind of flow runner."
        yield Reason(Code.NO_QUEUE_MATCHES, message, None, {"deployment_id": deployment_id})
        return
    found = [_of_queue(queue, now) for queue in matching]
    if all(found):
        yield from found[:LISTED]


def _of_queue(queue, now):
    about, named = {"work_queue_id": queue.id}, f"The work queue {queue.name}"
    if queue.is_paused:
        return Reason(Code.QUEUE_PAUSED, f"{named} is paused.", None, about)
    if queue.last_polled is None:
        return Reason(Code.QUEUE_UNPOLLED, f"Nobody has ever asked {named.lower()} for runs: no worker or agent serves it.", None, about)
    if now - queue.last_polled > UNPOLLED_AFTER:
        message = f"Nobody has asked {named.lower()} for runs since {isoformat(queue.last_polled)}: no worker or agent serves it."
        return Reason(Code.QUEUE_UNPOLLED, message, queue.last_polled, about)
    if queue.concurrency_limit is not None and queue.held >= queue.concurrency_limit:
        message = f"{named} has a concurrency limit of {queue.concurrency_limit}, and {queue.held} of its runs are PENDING or RUNNING."
        return Reason(Code.QUEUE_FULL, message, None, about)
    return None


def of_limit(facts):
    """Yield whether a deployment's concurrency limit has no room."""
    policy = facts.deployment.start_policy
    if policy.concurrency_limit is None or len(facts.held) < policy.concurrency_limit:
        return
    room = Room(policy.concurrency_limit, policy.overlap, tuple(RunFacts(run.id, run.name, run.is_backfill) for run in facts.held))
    about = {"flow_run_ids": [run.id for run in facts.held[:LISTED]]}
    ended = ", ".join(f"{number} {name}" for name, number in sorted(facts.not_started.items()))
    message = f"{no_room(room)} In the last 24 hours, runs ended without having started: {ended}." if ended else no_room(room)
    yield Reason(Code.DEPLOYMENT_FULL, message, max(run.since for run in facts.held), about)


def of_tag_limits(limits):
    """Yield the concurrency limits on a deployment's tags under which no slot is free."""
    for limit in limits:
        if limit.taken >= limit.limit:
            message = f"Every slot under the concurrency limit of {limit.limit} on the tag {limit.tag} is taken; task runs with it wait."
            yield Reason(Code.TAG_LIMIT_FULL, message, None, {"concurrency_limit_id": limit.id})


def of_late_run(waiting, now):
    """Yield the run that should have started."""
    if waiting is not None and waiting.due < now:
        message = f"The run {waiting.name} was due at {isoformat(waiting.due)} and has not been started."
        yield Reason(Code.RUN_LATE, message, waiting.due, {"flow_run_id": waiting.id})


def of_leases(held, now):
    """Yield the runs that workers hold."""
    for run in [run for run in held if run.lease_expires_at is not None][:LISTED]:
        by = f"The worker {run.worker}" if run.worker else "A worker"
        ends = "ran out" if run.lease_expires_at <= now else "ends, unless it is renewed,"
        message = f"{by} holds the run {run.name}, which is {run.state_name}; the lease {ends} at {isoformat(run.lease_expires_at)}."
        yield Reason(Code.LEASE_HELD, message, run.since, {"flow_run_id": run.id, "lease_id": run.lease_id})


def _what_queues_ask_for(facts):
    if facts.waiting is not None:
        return facts.waiting.tags, facts.waiting.runner
    return ["auto-scheduled", *facts.deployment.tags], facts.deployment.flow_runner_type


def _instant(text):
    return datetime.fromisoformat(text) if text else None


class RunCode(StrEnum):
    """What is to be said of one run besides."""

    ENDED = "run_ended"
    NOT_DUE = "run_not_due"
    HELD = "run_held"


def explain_held_run(run, held, now):
    """Return the `Reason`s of a run, a document, that is PENDING or RUNNING; `held` is its `HeldRun`."""
    if held is not None and held.lease_expires_at is not None:
        return list(of_leases([held], now))
    message = f"The run is {run['state_name']} without a lease: it is held until whoever started it ends it."
    return [Reason(RunCode.HELD, message, held and held.since, {"flow_run_id": run["id"]})]


def explain_ended_run(run):
    """Return the `Reason`s of a run, a document, that is over."""
    state, about = run["state"], {"flow_run_id": run["id"]}
    if state is None:
        return [Reason(RunCode.ENDED, "The run is in no state: nothing is known of it.", None, about)]
    said = f": {state['message']}" if state["message"] else ""
    return [Reason(RunCode.ENDED, f"The run is over, {state['type']} ({state['name']}){said}", state["timestamp"], about)]


def explain_waiting_run(run, facts):
    """Return the `Reason`s of a `WaitingRun`. `facts` are those of its deployment, None where it has none."""
    about = {"flow_run_id": run.id}
    if facts is None:
        return [Reason(Code.NO_QUEUE_MATCHES, "Runs without a deployment are in no work queue: who knows the run starts it.", None, about)]
    is_due = run.due <= facts.now
    found = [
        *of_queues(facts.queues, run.deployment_id, run.tags, run.runner, facts.now),
        *of_limit(facts),
        *of_tag_limits(facts.tag_limits),
    ]
    if not is_due:
        return [Reason(RunCode.NOT_DUE, f"Its time has not come: it is due at {isoformat(run.due)}.", None, about), *found]
    message = f"It was due at {isoformat(run.due)}" + ("." if found else ", and may be handed out at any moment.")
    return [*found, Reason(Code.RUN_LATE, message, run.due, about)]
