# SPDX-License-Identifier: GPL-2.0
"""Reads the results of KUnit suites from a kernel's log, and checks that they are complete.

A suite is complete only if it announced a plan, gave a result for each test of the plan in order,
and ended with a result that agrees.
"""

import re
from dataclasses import dataclass, field

LINE = re.compile(r"^(?:\[ *\d+\.\d+\] ?)?( *)(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)$")
RESULT = re.compile(r"^(ok|not ok) (\d+)(?: -)? (\S+)(?: # (SKIP)\b.*)?$")


@dataclass
class Suite:
    """One suite: its plan, the results of its tests, and whether it ended."""

    name: str
    planned: int = -1
    closed: str = ""
    tests: dict = field(default_factory=dict)  # name -> "ok", "not ok" or "SKIP"
    output: list = field(default_factory=list)
    problems: list = field(default_factory=list)

    def result(self, status, number, name, skip):
        """Notes the result of one test."""
        if int(number) != len(self.tests) + 1 or name in self.tests:
            self.problems.append(f"{name} is out of order")
        self.tests[name] = skip or status

    def close(self, status, name):
        """Notes the result of the suite."""
        self.closed = status
        if name != self.name:
            self.problems.append(f"closed as {name}")
        if len(self.tests) != self.planned or not self.tests:
            self.problems.append(f"{len(self.tests)} results of {self.planned}")
        if (status == "not ok") != ("not ok" in self.tests.values()):
            self.problems.append(f"closed as {status}, its tests say otherwise")


def parse(log):
    """Returns the suites in the text LOG."""
    suites, current = [], None
    for line in log.splitlines():
        indent, text = LINE.match(line).groups()
        level, result, plan = len(indent), RESULT.match(text), PLAN.match(text)
        if level == 4 and text.startswith("# Subtest: "):
            current = Suite(text[len("# Subtest: "):])
            suites.append(current)
        elif current is None:
            continue
        elif level == 4 and plan:
            current.planned = int(plan[1])
        elif level == 4 and result:
            current.result(*result.groups())
        elif level == 0 and result:
            current.close(result[1], result[3])
            current = None
            continue
        current.output.append(indent + text)
    return suites


def problems(suites, expected):
    """The problems of SUITES besides failed tests. EXPECTED: the names of those that must run."""
    found = []
    for suite in suites:
        found += [f"suite {suite.name}: {problem}" for problem in suite.problems]
        if not suite.closed:
            found.append(f"suite {suite.name} did not end")
    ran = [suite.name for suite in suites]
    found += [f"suite {name} ran twice" for name in sorted(set(ran)) if ran.count(name) > 1]
    found += [f"suite {name} did not run" for name in sorted(set(expected) - set(ran))]
    return found if ran else found + ["no suite ran"]
