# SPDX-License-Identifier: GPL-2.0
"""Runs what many tests need run on user-mode Linux, where the forkguard module is, in one boot."""

import base64
import dataclasses
import os
import subprocess
from pathlib import Path

TOP = Path(__file__).parents[2]
FWG = Path(os.environ.get("FWG") or TOP / "build" / "fwg")

# Each script gets a network namespace of its own.
RUNNER = """\
for script in "$1"/*.sh; do
	status=0
	timeout -k 5 60 unshare -n bash -eu "$script" >/tmp/out 2>/tmp/err </dev/null || status=$?
	name=${script##*/}
	echo "${name%.sh}" "$status" "$(base64 -w 0 /tmp/out)" . "$(base64 -w 0 /tmp/err)" .
done
"""

PREAMBLE = f"""\
export PATH={FWG.parent}:$PATH LC_ALL=C
ip link set lo up
"""


@dataclasses.dataclass
class Result:
    """How a script ended; what is on stderr by line."""

    status: int
    out: str
    errors: list


def run_scripts(scripts, folder):
    """{name: Result} of {name: script}."""
    for name, script in scripts.items():
        (folder / f"{name}.sh").write_text(PREAMBLE + script)
    runner = folder / "runner"
    runner.write_text(RUNNER)
    done = subprocess.run(
        [TOP / "tests" / "kunit" / "uml", "-t", "300", "bash", runner, folder],
        capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr + done.stdout

    results = {}
    for line in done.stdout.splitlines():
        name, status, *streams = line.split(" ")
        out, err = (base64.b64decode(text).decode() for text in streams if text != ".")
        results[name] = Result(int(status), out, err.splitlines())
    return results
