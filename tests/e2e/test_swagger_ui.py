"""Swagger UI in a real browser: every example works as it stands when Execute is pressed, in the order of the page's description."""

import json
import os
import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.conftest import IN_CI
from tests.keys import stored_key
from tests.serving import PATIENCE

pytestmark = pytest.mark.slow

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
# Chromium would otherwise call home, and as root it refuses to start in its sandbox
OPTIONS = [
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
    *(["--no-sandbox"] if os.getuid() == 0 else []),
]

READ = "return Boolean(window.ui.specSelectors.specResolvedSubtree(['paths', ...arguments]))"

# Swagger UI draws every operation that is listed whenever one of them changes: of the tags, only one is open at a time
OPEN_ONLY = """
Object.keys(window.ui.specSelectors.taggedOperations().toJS())
    .forEach((tag) => window.ui.layoutActions.show(["operations-tag", tag], tag === arguments[0]));
"""

# Two journeys of their own: (tag, operation, the status that Execute is answered with)
FLOWS_AND_RUNS = [
    ("Flows", "create_flow", 201),
    ("Flows", "read_flow", 200),
    ("Flows", "read_flow_by_name", 200),
    ("Flows", "update_flow", 204),
    ("Flows", "read_flows", 200),
    ("Flows", "count_flows", 200),
    ("Deployments", "create_deployment", 201),
    ("Deployments", "read_deployment", 200),
    ("Deployments", "read_deployment_by_name", 200),
    ("Deployments", "read_deployments", 200),
    ("Deployments", "count_deployments", 200),
    ("Explanations", "explain_deployment", 200),
    ("Backfills", "create_backfill", 201),
    ("Backfills", "read_backfill", 200),
    ("Backfills", "read_backfills", 200),
    ("Backfills", "pause_backfill", 200),
    ("Backfills", "resume_backfill", 200),
    ("Backfills", "cancel_backfill", 200),
    ("Flow Runs", "read_flow_runs", 200),
    ("Deployments", "schedule_deployment", 200),
    ("Deployments", "create_flow_run_from_deployment", 201),
    ("Flow Runs", "read_flow_run", 200),
    ("Flow Runs", "create_flow_run", 201),
    ("Flow Runs", "update_flow_run", 204),
    ("Flow Runs", "count_flow_runs", 200),
    ("Flow Runs", "flow_run_history", 200),
    ("Logs", "create_logs", 201),
    ("Logs", "read_logs", 200),
    ("Task Runs", "create_task_run", 201),
    ("Task Runs", "read_task_run", 200),
    ("Task Runs", "read_task_runs", 200),
    ("Task Runs", "count_task_runs", 200),
    ("Task Runs", "task_run_history", 200),
    ("Flow Runs", "set_flow_run_state", 201),
    ("Flow Run States", "read_flow_run_state", 200),
    ("Flow Run States", "read_flow_run_states", 200),
    ("Task Runs", "set_task_run_state", 201),
    ("Task Run States", "read_task_run_state", 200),
    ("Task Run States", "read_task_run_states", 200),
    ("Concurrency Limits", "create_concurrency_limit", 200),
    ("Concurrency Limits", "read_concurrency_limit", 200),
    ("Concurrency Limits", "read_concurrency_limit_by_tag", 200),
    ("Concurrency Limits", "read_concurrency_limits", 200),
    ("Concurrency Limits", "reset_concurrency_limit_by_tag", 200),
    ("Concurrency Limits", "delete_concurrency_limit", 200),
    ("Concurrency Limits", "create_concurrency_limit", 200),
    ("Concurrency Limits", "delete_concurrency_limit_by_tag", 200),
    ("Flow Runs", "read_flow_run_graph", 200),
    ("Work Queues", "create_work_queue", 201),
    ("Work Queues", "read_work_queue", 200),
    ("Work Queues", "read_work_queue_by_name", 200),
    ("Work Queues", "update_work_queue", 204),
    ("Work Queues", "read_work_queues", 200),
    ("Work Queues", "read_work_queue_runs", 200),
    ("Work Queues", "read_work_queue_holders", 200),
    ("Work Queues", "claim_work_queue_runs", 200),
    ("Flow Runs", "renew_lease", 200),
    ("Flow Runs", "set_flow_run_states", 200),
    ("Flow Runs", "retry_flow_run", 200),
    ("Flow Runs", "delete_flow_runs", 200),
    ("Work Queues", "delete_work_queue", 204),
    ("Policies", "update_policy", 200),
    ("Policies", "read_policy", 200),
    ("Deployments", "update_deployment", 200),
    ("Deployments", "set_schedule_inactive", 200),
    ("Deployments", "set_schedule_active", 200),
    ("Deployments", "pause_deployments", 200),
    ("Deployments", "read_pause", 200),
    ("Deployments", "resume_deployments", 200),
    ("Schedules", "set_schedule", 200),
    ("Schedules", "read_schedules", 200),
    ("Schedules", "read_schedule", 200),
    ("Schedules", "update_schedule", 200),
    ("Schedules", "preview_schedule", 200),
    ("Schedules", "delete_schedule", 204),
    ("Task Runs", "delete_task_run", 204),
    ("Flow Runs", "delete_flow_run", 204),
    ("Deployments", "delete_deployment", 204),
    ("Flows", "delete_flow", 204),
]
BLOCKS_AND_THE_SERVER = [
    ("Saved Searches", "put_saved_search", 201),
    ("Saved Searches", "read_saved_search", 200),
    ("Saved Searches", "read_saved_searches", 200),
    ("Saved Searches", "delete_saved_search", 204),
    ("Block Types", "create_block_type", 201),
    ("Block Types", "read_block_type", 200),
    ("Block Types", "read_block_type_by_name", 200),
    ("Block Types", "read_block_types", 200),
    ("Block Types", "update_block_type", 204),
    ("Block Schemas", "create_block_schema", 201),
    ("Block Schemas", "read_block_schema", 200),
    ("Block Schemas", "read_block_schema_by_checksum", 200),
    ("Block Schemas", "read_block_schemas", 200),
    ("Block Documents", "create_block_document", 201),
    ("Block Documents", "read_block_document", 200),
    ("Block Documents", "read_block_documents", 200),
    ("Block Documents", "update_block_document", 204),
    ("Block Types", "read_block_documents_of_type", 200),
    ("Block Types", "read_block_document_by_names", 200),
    ("Block Documents", "set_default_storage_block_document", 204),
    ("Block Documents", "get_default_storage_block_document", 200),
    ("Block Documents", "clear_default_storage_block_document", 204),
    ("Block Documents", "delete_block_document", 204),
    ("Block Schemas", "delete_block_schema", 204),
    ("Block Types", "delete_block_type", 204),
    ("Audit", "read_audit_entries", 200),
    ("Root", "health", 200),
    ("Root", "ready", 200),
    ("Root", "hello", 200),
    ("Admin", "read_version", 200),
    ("Admin", "read_settings", 200),
    ("Admin", "clear_database", 204),
    ("Admin", "drop_database", 204),
    ("Admin", "create_database", 204),
]

# What the page shows of some answers
SHOWN = {"read_flow_runs": "auto-scheduled", "read_deployments": "nightly", "read_logs": "3 rows were refused", "read_settings": "MINTAKA"}


@pytest.fixture
def browser(tmp_path):
    """A headless Chromium with an empty profile, which keeps a log of what it asks the network for."""
    if not (CHROMIUM and DRIVER):
        reason = "no browser: Debian's packages chromium and chromium-driver have one"
        (pytest.fail if IN_CI else pytest.skip)(reason)
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in [*OPTIONS, f"--user-data-dir={tmp_path / 'profile'}"]:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield browser
    browser.quit()


def element_id(tag, operation):
    """The id of an operation's element in the page."""
    return f"operations-{tag.replace(' ', '_')}-{operation}"


class Page:
    """Swagger UI, as somebody uses it."""

    def __init__(self, browser, server):
        self.browser = browser
        self.browser.get(f"{server.api}/docs")
        self.wait(lambda: self.find("#operations-Flows-create_flow"))

    def find(self, selector, within=None):
        """The first element that a CSS selector finds, or None."""
        return next(iter((within or self.browser).find_elements(By.CSS_SELECTOR, selector)), None)

    def wait(self, condition):
        """The first true answer of `condition()`."""
        return WebDriverWait(self.browser, PATIENCE, poll_frequency=0.05).until(lambda _: condition())

    def authorize(self, key):
        """Press Authorize, enter the key, and close the dialog."""
        self.click(self.find(".auth-wrapper .authorize"))
        self.wait(lambda: self.find(".auth-container input")).send_keys(key)
        self.click(self.find(".auth-btn-wrapper .authorize"))
        self.wait(lambda: self.find(".auth-container .wrapper code"))
        self.click(self.find(".auth-btn-wrapper .btn-done"))

    def execute(self, tag, operation):
        """Open an operation, press Execute, and return the status and body that the page shows."""
        self.browser.execute_script(OPEN_ONLY, tag)
        block = self.wait(lambda: self.find(f"#{element_id(tag, operation)}"))
        self.click(self.find(".opblock-summary-control", block))
        path = self.find(".opblock-summary-path", block).get_attribute("data-path")
        method = self.find(".opblock-summary-method", block).text.lower()
        # Swagger UI reads an operation when it is opened, and shows the button a moment before it has
        self.wait(lambda: self.browser.execute_script(READ, path, method))
        self.click(self.wait(lambda: self.find(".btn.execute", block)))
        row = self.wait(lambda: self.find(".live-responses-table tr.response .response-col_status", block))
        status = self.wait(lambda: row.text.split()[0] if row.text.split() else None)
        body = self.find(".live-responses-table .highlight-code, .live-responses-table .microlight", block)
        # the element's `text` asks for the visibility of each of its words
        text = body.get_property("textContent") if body else ""
        self.click(self.find(".opblock-summary-control", block))
        return int(status), text

    def click(self, element):
        """Click an element wherever on the page it is."""
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'}); arguments[0].click()", element)


@pytest.mark.parametrize("journey", [FLOWS_AND_RUNS, BLOCKS_AND_THE_SERVER], ids=["flows and runs", "blocks and the server"])
def test_every_example_works_when_execute_is_pressed_and_nothing_leaves_the_server(browser, gunicorn_server, sqlite_url, journey):
    # the other journey deletes the keys with the rest of the database
    auth = "on" if journey is FLOWS_AND_RUNS else "off"
    server = gunicorn_server(sqlite_url, workers=1, admin_database_routes="true", auth=auth)
    page = Page(browser, server)
    if auth == "on":
        page.authorize(stored_key(sqlite_url, "admin"))
    listed = {element.get_attribute("id") for element in browser.find_elements(By.CSS_SELECTOR, ".opblock")}
    visited = {element_id(tag, operation) for tag, operation, _ in FLOWS_AND_RUNS + BLOCKS_AND_THE_SERVER}
    assert listed == visited, "the journeys visit every operation"
    answers = {}
    for tag, operation, expected in journey:
        status, answers[operation] = page.execute(tag, operation)
        assert status == expected, (operation, answers[operation])
    assert all(text in answers[operation] for operation, text in SHOWN.items() if operation in answers)
    assert asked_elsewhere(browser, server) == []
    assert [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def asked_elsewhere(browser, server):
    """The addresses of other hosts that the page asked for."""
    asked = []
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.append(message["params"]["request"]["url"])
    assert asked, "the browser logs its requests"
    return [url for url in asked if not url.startswith((server.url, "data:", "chrome:", "blob:"))]
