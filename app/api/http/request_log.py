"""One log line and one count a request, and the request's id in its answer."""

import logging
import time

from flask import current_app, g, request

log = logging.getLogger("mintaka.request")


def log_requests(app):
    """Log each request of `app`: method, route (not the path, which has ids in it), status, milliseconds, request id."""

    @app.before_request
    def begin():
        g.began = time.perf_counter()

    @app.after_request
    def end(response):
        request_id = g.get("request_id")
        if request_id is not None:
            response.headers["X-Request-ID"] = request_id
        seconds = time.perf_counter() - g.began if "began" in g else 0.0
        rule = request.url_rule and request.url_rule.rule
        current_app.extensions["mintaka"].metrics.answered(request.method, rule, response.status_code, seconds)
        if log.isEnabledFor(logging.INFO):
            route = rule or request.path
            milliseconds = round(seconds * 1000, 2)
            facts = {"method": request.method, "route": route, "status": response.status_code, "ms": milliseconds, "request_id": request_id}
            log.info("%s %s %d %.2f ms %s", request.method, route, response.status_code, milliseconds, request_id, extra=facts)
        return response
