"""What every route is built on: transactions, problems, guards, parsing, and the API document."""

from app.api.http import fences
from app.api.http.authentication import needs
from app.api.http.blueprint import Blueprint
from app.api.http.lists import LINK, list_page
from app.api.http.parsing import prefers
from app.api.http.transaction import count, in_transaction, json_response, parts, transaction, unit_of_work

__all__ = [
    "LINK",
    "Blueprint",
    "count",
    "fences",
    "in_transaction",
    "json_response",
    "list_page",
    "needs",
    "parts",
    "prefers",
    "transaction",
    "unit_of_work",
]
