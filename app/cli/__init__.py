"""The commands: `mintaka ...`, or `flask --app wsgi ...`, one group per noun."""


def all_commands():
    """Return every command."""
    # their commands join those of deployments
    import app.cli.bulk_runs
    import app.cli.deployment_schedules
    import app.cli.explanations
    import app.cli.pauses
    import app.cli.policies  # noqa: F401
    from app.cli.audit import audit
    from app.cli.backfills import backfill
    from app.cli.blocks import blocks
    from app.cli.concurrency_limits import concurrency_limits
    from app.cli.db import db
    from app.cli.deployments import deployments
    from app.cli.files import apply, diff, export, schema
    from app.cli.flows import flows
    from app.cli.imports import imports
    from app.cli.keys import keys
    from app.cli.runs import runs
    from app.cli.scheduler import scheduler
    from app.cli.serve import serve
    from app.cli.web import web
    from app.cli.work_queues import work_queues
    from app.cli.worker import worker

    return (
        apply,
        audit,
        backfill,
        blocks,
        concurrency_limits,
        db,
        deployments,
        diff,
        export,
        flows,
        imports,
        keys,
        runs,
        schema,
        scheduler,
        serve,
        web,
        work_queues,
        worker,
    )


def init_app(app):
    """Add the commands to Flask's of `app`."""
    for command in all_commands():
        app.cli.add_command(command)
