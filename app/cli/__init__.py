"""Commands for administrators: `flask --app wsgi ...`, one group per noun."""


def init_app(app):
    """Add the commands to `app`."""
    from app.cli import preview
    from app.cli.blocks import blocks
    from app.cli.db import db
    from app.cli.flows import flows
    from app.cli.runs import runs
    from app.cli.scheduler import scheduler
    from app.cli.serve import serve
    from app.cli.worker import worker

    for command in (blocks, db, preview.deployments, flows, runs, scheduler, serve, worker):
        app.cli.add_command(command)
