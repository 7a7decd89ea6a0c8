"""The WSGI entry: `gunicorn wsgi:app`, `flask --app wsgi ...`."""

import sys

from app import create_app
from app.config import InvalidSetting, Settings
from app.logging import configure

try:
    settings = Settings.from_environ()
    configure(settings)
    app = create_app(settings)
except InvalidSetting as error:
    sys.exit(f"mintaka: {error}")
