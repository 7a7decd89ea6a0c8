"""Rounds of requests in pairs: every server is asked the same for a few seconds, one after the other, again and again.

What a machine does from minute to minute hits all of them alike, and a ratio is taken within each pair. The table shows the median.
"""

import statistics
import sys


def measure(subjects, scenarios, pairs, seconds, connections):
    """The rounds of every scenario: {scenario: {server: [figures of a round, ...]}}."""
    rounds = {scenario.name: {subject.name: [] for subject in subjects if subject.name in scenario.servers} for scenario in scenarios}
    for scenario in scenarios:
        taking_part = [subject for subject in subjects if subject.name in scenario.servers]
        for _ in range(pairs):
            for subject in taking_part:
                rounds[scenario.name][subject.name].append(scenario.measure(subject, seconds, connections))
            # nobody is always the first
            taking_part.reverse()
        print(scenario.name, middle(rounds[scenario.name]), file=sys.stderr, flush=True)
    return rounds


def middle(sides):
    """The median figures of each server: {server: {"rate": ..., "p99_ms": ...}}."""
    return {name: {key: statistics.median(one[key] for one in figures) for key in figures[0]} for name, figures in sides.items()}


def ratio(sides, other, key="rate"):
    """The median, over the pairs, of Mintaka's figure by that of the server `other`; None where one of them has none."""
    ours, theirs = sides.get("mintaka", ()), sides.get(other, ())
    ratios = [mine[key] / its[key] for mine, its in zip(ours, theirs, strict=False) if mine.get(key) and its.get(key)]
    return statistics.median(ratios) if ratios else None
