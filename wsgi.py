"""The WSGI entry: `gunicorn wsgi:app`, `flask --app wsgi ...`."""

import sys

from app import create_app
from app.config import InvalidSetting

try:
    app = create_app()
except InvalidSetting as error:
    sys.exit(f"mintaka: {error}")
