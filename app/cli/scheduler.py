"""`mintaka scheduler`: the process that keeps runs made ahead of time, marks late ones and takes back those whose workers are gone."""

from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from threading import Thread

import click

from app.cli.command_group import CommandGroup, mintaka, require_current
from app.cli.output import Progress, output_option, print_json
from app.cli.signals import stop_signals
from app.domain.plurals import counted
from app.scheduler.backfills import BackfillPass
from app.scheduler.late_runs import LateRunMarker
from app.scheduler.leases import LeaseExpiry
from app.scheduler.loop import Scheduler
from app.scheduler.passes import repeat
from app.scheduler.pauses import PauseEnd
from app.scheduler.policies import PolicyPass

scheduler = CommandGroup("scheduler", help="Make the runs of active schedules.")


@scheduler.command()
@click.option("--once", is_flag=True, help="Make one pass of each kind, print what they did, and end.")
@click.option("--all", "all_active", is_flag=True, help="Look at every active deployment on the (first) pass, due or not.")
@output_option
def run(once, all_active, output):
    """Keep the runs of active schedules made ahead of time, until stopped.

    One pass every MINTAKA_SCHEDULER_LOOP_SECONDS. Beside it, every MINTAKA_LATE_RUNS_LOOP_SECONDS, runs that nobody has started in time are
    marked late, claimed runs whose lease has run out go back to be claimed again, pauses that have an end are ended, due runs that are
    not to start, by the policies of their deployments, end, and backfills make their next runs. On PostgreSQL any number of schedulers may
    run at once. SIGINT (Ctrl-C) and SIGTERM end it with exit code 0, after the batches it is at. A deployment whose schedule fails delays
    no other, and is no failure of the pass.

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
    with stop_signals() as stop:
        if once:
            _run_once(worker, beside, all_active, stop, output)
        else:
            with _repeated(beside, settings.late_runs_loop_seconds, stop):
                worker.run(settings.scheduler_loop_seconds, stop.wait, all_active)


@contextmanager
def _repeated(passes, loop_seconds, stop):
    """Make each of `passes` again and again, in a thread of its own, until the block ends."""
    threads = [
        Thread(target=repeat, args=(partial(each.run_once, lambda: stop.asked), loop_seconds, stop.wait, each.name), name=each.name)
        for each in passes
    ]
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
