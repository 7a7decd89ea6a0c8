"""One transaction around a view."""

import pytest
from sqlalchemy import text

from app.api.http import in_transaction, unit_of_work


def test_a_view_has_the_unit_of_work_only_while_its_transaction_lasts(app):
    with app.test_request_context():
        assert in_transaction(lambda: unit_of_work().session.execute(text("SELECT 7")).scalar()) == 7
        with pytest.raises(AttributeError):
            unit_of_work()
    with pytest.raises(RuntimeError, match="application context"):
        in_transaction(lambda: None)
