"""What `prefect deployment create` is given: the same flow on a schedule of seconds, and without one to be run by hand."""

import os
from datetime import timedelta
from pathlib import Path

from prefect.deployments import DeploymentSpec
from prefect.flow_runners import SubprocessFlowRunner
from prefect.orion.schemas.schedules import IntervalSchedule

FLOW = Path(__file__).parent / "flows.py"
FOLDER = os.environ["ETL_FOLDER"]

DeploymentSpec(
    flow_location=FLOW,
    flow_name="etl",
    name="scheduled",
    parameters={"folder": FOLDER},
    schedule=IntervalSchedule(interval=timedelta(seconds=float(os.environ["ETL_SECONDS"]))),
    tags=["etl"],
    flow_runner=SubprocessFlowRunner(),
)
DeploymentSpec(
    flow_location=FLOW,
    flow_name="etl",
    name="by-hand",
    parameters={"folder": FOLDER, "scarce": 2},
    tags=["etl"],
    flow_runner=SubprocessFlowRunner(),
)
