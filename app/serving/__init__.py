"""How gunicorn serves Mintaka: its configuration and its worker."""
