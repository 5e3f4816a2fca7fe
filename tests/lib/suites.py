# SPDX-License-Identifier: GPL-2.0
"""Runs the KUnit suites of a forkguard.ko in user-mode Linux."""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import ktap

HERE = Path(__file__).resolve().parent
SECONDS = 600  # until a run is given up; it takes seconds
SUITE = re.compile(r"struct kunit_suite \w+ = \{[^}]*?\.name = \"([^\"]+)\"")


@dataclass
class Outcome:
    """The outcome of a run: the suites, and problems besides failed tests."""

    suites: list
    problems: list

    def tests(self):
        """All tests, as pairs of a name, suite.test, and a result."""
        for suite in self.suites:
            for name, result in suite.tests.items():
                yield f"{suite.name}.{name}", result


def names(tree):
    """The names of the suites in the sources of TREE."""
    found = []
    for source in sorted(Path(tree, "tests/kunit").glob("*.c")):
        found += SUITE.findall(source.read_text())
    return found


def run(tree, module):
    """Loads MODULE, built from TREE, with its tests enabled, and unloads it again. Sleeping takes
    no time. Computing does, because some tests wait to be interrupted."""
    with tempfile.NamedTemporaryFile("r", errors="replace") as log:
        options = ["-a", "kunit.enable=1", "-a", "time-travel", "-l", log.name,
                   "-m", module, "-t", str(SECONDS)]
        uml = subprocess.run(
            [HERE.parent / "kunit/uml", *options, "rmmod", "forkguard"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        suites = ktap.parse(log.read())
    problems = ktap.problems(suites, names(tree))
    if uml.returncode:
        problems.append(uml.stderr or f"user-mode Linux: status {uml.returncode}")
    return Outcome(suites, problems)
