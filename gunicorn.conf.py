"""What `gunicorn wsgi:app` reads in this folder. The settings themselves are in a module, so that an installed wheel has them too:
`gunicorn --config python:app.serving.config wsgi:app`."""

from app.serving.config import *  # noqa: F403
