"""`flask scheduler`: the process that keeps runs made ahead of time."""

from dataclasses import asdict

import click

from app.cli.group import Noun, mintaka, require_current
from app.cli.output import Progress, output_option, print_json
from app.cli.signals import stop_signals
from app.services.scheduler import Scheduler

scheduler = Noun("scheduler", help="Make the runs of active schedules.")


@scheduler.command()
@click.option("--once", is_flag=True, help="Make one pass, print what it did, and end.")
@click.option("--all", "all_active", is_flag=True, help="Look at every active deployment on the (first) pass, due or not.")
@output_option
def run(once, all_active, output):
    """Keep the runs of active schedules made ahead of time, until stopped.

    One pass every MINTAKA_SCHEDULER_LOOP_SECONDS. On PostgreSQL any number of schedulers may run at once. SIGINT (Ctrl-C) and SIGTERM end
    it with exit code 0, after the batch it is at. A deployment whose schedule fails delays no other, and is no failure of the pass.

    --once prints how many runs it made for how many deployments, and in how long. --all serves after the settings that say how far ahead
    runs are made were changed.

    \b
    Examples:
      flask --app wsgi scheduler run
      flask --app wsgi scheduler run --once
      MINTAKA_SCHEDULER_MAX_RUNS=500 flask --app wsgi scheduler run --once --all
    """
    if output == "json" and not once:
        raise click.UsageError("--output json needs --once; what a scheduler logs becomes JSON with MINTAKA_LOG_FORMAT=json.")
    require_current()
    parts = mintaka()
    worker = Scheduler(parts.database, parts.clock, parts.policy, parts.settings.scheduler_batch_size)
    with stop_signals() as stop:
        if once:
            _run_once(worker, all_active, stop, output)
        else:
            worker.run(parts.settings.scheduler_loop_seconds, stop.wait, all_active)


def _run_once(worker, all_active, stop, output):
    progress = Progress()
    try:
        report = worker.run_once(all_active, should_stop=lambda: stop.wait(0), progress=progress.tell)
    finally:
        progress.done()
    if output == "json":
        print_json(asdict(report))
    else:
        click.echo(str(report))
    if report.failures:
        click.echo(f"{report.failures} of the schedules failed; `flask deployments inspect` shows the reason of each.", err=True)
    if stop.wait(0):
        click.echo("Stopped by a signal: the pass may be incomplete.", err=True)
