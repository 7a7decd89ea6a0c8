"""Measure one running server of the deployments API over HTTP and print one JSON object of figures.

usage: python -m benchmarks.peerbench BASE_URL [--server mintaka|reference|limit] [--seconds 4] [--connections 8] [--only a,b]

Every scenario is a closed loop of CONNECTIONS keep-alive clients (wrk); set-up goes through the same API. `benchmarks.run` compares
servers, round by round; this looks at one.
"""

import argparse
import json
import sys

from benchmarks.scenarios import CLIENTS, EVERYWHERE, SCENARIOS, Subject
from benchmarks.wire import Api


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", help="such as http://127.0.0.1:8000/api")
    parser.add_argument("--server", choices=EVERYWHERE, default="mintaka", help="what runs there")
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=CLIENTS)
    parser.add_argument("--deployments", type=int, default=300)
    parser.add_argument("--only", help="names of scenarios, comma-separated")
    arguments = parser.parse_args()
    subject = Subject(arguments.server, Api(arguments.base), arguments.deployments)
    only = arguments.only.split(",") if arguments.only else SCENARIOS
    out = {}
    for scenario in SCENARIOS.values():
        if arguments.server in scenario.servers and scenario.name in only:
            out[scenario.name] = scenario.measure(subject, arguments.seconds, arguments.connections)
            print(scenario.name, out[scenario.name], file=sys.stderr, flush=True)
    print(json.dumps(out))


if __name__ == "__main__":
    main()
