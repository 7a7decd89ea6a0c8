"""`mintaka scheduler`: the process that keeps runs made ahead of time, marks late ones and takes back those whose workers are gone."""

from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from functools import partial
from threading import Thread

import click

from app.addresses import tcp_addresses, unusable
from app.cli.command_group import CommandGroup, Failed, mintaka, require_current, transaction
from app.cli.output import Progress, output_option, plain, print_json, print_table, relative
from app.cli.signals import stop_signals
from app.domain.plurals import counted
from app.repositories.heartbeats import SCHEDULER
from app.scheduler.backfills import BackfillPass
from app.scheduler.heartbeats import Heartbeat
from app.scheduler.late_runs import LateRunMarker
from app.scheduler.leases import LeaseExpiry
from app.scheduler.loop import Scheduler
from app.scheduler.passes import repeat
from app.scheduler.pauses import PauseEnd
from app.scheduler.policies import PolicyPass
from app.scheduler.retention import Pruner

scheduler = CommandGroup("scheduler", help="Make the runs of active schedules.")


@scheduler.command()
@click.option("--once", is_flag=True, help="Make one pass of each kind, print what they did, and end.")
@click.option("--all", "all_active", is_flag=True, help="Look at every active deployment on the (first) pass, due or not.")
@output_option
def run(once, all_active, output):
    """Keep the runs of active schedules made ahead of time, until stopped.

    One pass every MINTAKA_SCHEDULER_LOOP_SECONDS. Beside it, every MINTAKA_LATE_RUNS_LOOP_SECONDS, runs that nobody has started in time are
    marked late, claimed runs whose lease has run out go back to be claimed again, pauses that have an end are ended, due runs that are not
    to start, by the policies of their deployments, end, and backfills make their next runs. Every MINTAKA_RETENTION_LOOP_SECONDS, what is
    older than MINTAKA_RETENTION_FLOW_RUNS, _LOGS and _AUDIT say is deleted. On PostgreSQL any number of schedulers may run at
    once. SIGINT (Ctrl-C) and SIGTERM end it with exit code 0, after the batches it is at. A deployment whose schedule fails delays no
    other, and is no failure of the pass.

    --once prints how many runs it made for how many deployments, and in how long, and the same of the other passes. --all
    serves after the settings that say how far ahead runs are made were changed.

    \b
    Examples:
      mintaka scheduler run
      mintaka scheduler run --once
      MINTAKA_SCHEDULER_MAX_RUNS=500 mintaka scheduler run --once --all
    """
    if output == "json" and not once:
        raise click.UsageError("--output json needs --once; what a scheduler logs becomes JSON with MINTAKA_LOG_FORMAT=json.")
    require_current()
    parts = mintaka()
    settings = parts.settings
    worker = Scheduler(parts, settings.scheduler_batch_size)
    beside = [
        PauseEnd(parts),
        LeaseExpiry(parts),
        PolicyPass(parts),
        BackfillPass(parts),
        LateRunMarker(parts, settings.late_runs_after_seconds),
    ]
    kept = settings.retention_flow_runs, settings.retention_logs, settings.retention_audit
    old = [Pruner(parts, *kept)] if any(kept) else []
    with stop_signals() as stop:
        if once:
            _run_once(worker, beside + old, all_active, stop, output)
        else:
            with (
                _metrics_served(parts),
                _observed(parts) as around,
                _repeated(beside, settings.late_runs_loop_seconds, stop, around),
                _repeated(old, settings.retention_loop_seconds, stop, around),
            ):
                loop_seconds = settings.scheduler_loop_seconds
                worker.run(loop_seconds, stop.wait, all_active, partial(around, SCHEDULER, loop_seconds))


@scheduler.command()
@output_option
@click.pass_context
def status(ctx, output):
    """Say which scheduler processes run where, since when, and when each of their services last made a pass.

    A service that has made no pass within three of its loops is silent; one that ended as it was asked to is not listed. The exit code is 1
    where no scheduler makes passes.

    \b
    Examples:
      mintaka scheduler status
      mintaka scheduler status --output json
    """
    found = transaction(lambda unit: unit.heartbeats.list(), read_only=True)
    if output == "json":
        print_json(found)
    else:
        now = mintaka().clock()
        times = [(relative(one["since"], now), relative(one["last_pass"], now)) for one in found]
        rows = [
            (one["service"], one["host"], one["pid"], *when, "silent" if one["silent"] else "running")
            for one, when in zip(plain(found), times, strict=True)
        ]
        print_table(("SERVICE", "HOST", "PID", "SINCE", "LAST PASS", "STATUS"), rows)
    if not any(one["service"] == SCHEDULER and not one["silent"] for one in found):
        click.echo("No scheduler makes passes; `mintaka scheduler run` starts one.", err=True)
        ctx.exit(1)


def _metrics_served(parts):
    bind = parts.settings.scheduler_metrics_bind
    if not bind:
        return nullcontext()
    # not before gunicorn, which shares this program, has said how processes share metrics
    from app.metrics import served

    [address] = tcp_addresses(bind)
    if reason := unusable([address]):
        raise Failed(reason.replace("MINTAKA_BIND", "MINTAKA_SCHEDULER_METRICS_BIND"))
    return served(parts.metrics, *address)


@contextmanager
def _observed(parts):
    """Yield a function that makes of the passes of a service such as are counted, and followed by a heartbeat."""
    heartbeat = Heartbeat(parts)
    try:
        yield lambda service, loop_seconds, work: parts.metrics.timed(service, heartbeat.after(service, loop_seconds, work))
    finally:
        heartbeat.end()


@contextmanager
def _repeated(passes, loop_seconds, stop, around):
    """Make each of `passes` again and again, in a thread of its own, until the block ends."""

    def repeating(each):
        work = around(each.name.replace(" ", "_"), loop_seconds, partial(each.run_once, lambda: stop.asked))
        return Thread(target=repeat, args=(work, loop_seconds, stop.wait, each.name), name=each.name)

    threads = [repeating(each) for each in passes]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.ask()
        for thread in threads:
            thread.join()


def _run_once(worker, beside, all_active, stop, output):
    progress = Progress()
    try:
        report = worker.run_once(all_active, lambda: stop.asked, progress.tell, follow_rules=True)
    finally:
        progress.done()
    others = {each.name: each.run_once(lambda: stop.asked) for each in beside}
    if output == "json":
        print_json(asdict(report) | {name.replace(" ", "_"): other.numbers() for name, other in others.items()})
    else:
        for each in (report, *others.values()):
            click.echo(str(each))
    if report.failures:
        click.echo(f"{counted(report.failures, 'schedule')} failed; `mintaka deployments inspect` shows the reason.", err=True)
    if report.skipped:
        held = counted(report.skipped, "deployment")
        click.echo(f"Skipped {held} that another transaction holds; another pass with --all looks again.", err=True)
    if stop.asked:
        click.echo("Stopped by a signal: the pass may be incomplete.", err=True)
