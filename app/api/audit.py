"""The audit trail: who changed what, and which routes leave no entry in it."""

from app.api.http import LINK, Blueprint, list_page, needs, transaction, unit_of_work
from app.schemas.audit import AuditEntry, AuditPage

blueprint = Blueprint("Audit", __name__, url_prefix="/api/audit", description="Who changed what, and when.")

# Every other route that may change something leaves exactly one entry when it does: a test walks the routes of the application
UNRECORDED = {
    "Admin.create_database": "It migrates the schema, and changes no row.",
    "Admin.drop_database": "The trail goes with the database.",
    "Flow Runs.renew_lease": "It prolongs what a claim gave, which is recorded, many times a minute.",
    "Logs.create_logs": "What runs log is a record itself.",
    "Schedules.preview_schedule": "It changes nothing.",
    "Work Queues.read_work_queue_runs": "It looks, and notes that somebody has looked.",
}


@blueprint.post("/filter")
@needs("admin")
@blueprint.list_arguments(AuditPage)
@blueprint.response(200, AuditEntry(many=True), headers=LINK)
@transaction(read_only=True)
def read_audit_entries(body):
    """List entries of the audit trail.

    Those that meet all criteria, the newest first. `created` has the span of time, `actor` who it was.
    """
    return list_page(unit_of_work().audit_entries, body)
