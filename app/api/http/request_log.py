"""One log line and one count a request."""

import logging
import time

log = logging.getLogger("mintaka.request")


def log_request(request, response, began, request_id, metrics):
    """Log and count an answered request: method, route (not the path, which has ids in it), status, milliseconds, request id.

    `began` is what `time.perf_counter()` was when it came.
    """
    seconds, method, status = time.perf_counter() - began, request.method, response.status_code
    rule = request.url_rule and request.url_rule.rule
    metrics.answered(method, rule, status, seconds)
    if log.isEnabledFor(logging.INFO):
        route, milliseconds = rule or request.path, round(seconds * 1000, 2)
        facts = {"method": method, "route": route, "status": status, "ms": milliseconds, "request_id": request_id}
        log.info("%s %s %d %.2f ms %s", method, route, status, milliseconds, request_id, extra=facts)
