# SPDX-License-Identifier: GPL-2.0
"""Runs what many tests need run on user-mode Linux, where the forkguard module is, in one boot."""

import dataclasses
import os
import subprocess
from pathlib import Path

TOP = Path(__file__).parents[2]
FWG = Path(os.environ.get("FWG") or TOP / "build" / "fwg")

# Each script gets a network namespace of its own. Starting a program takes 0.1 s there, so as few
# are started as can be.
RUNNER = """\
export SCRIPTS=$1
cd /tmp
for script in "$SCRIPTS"/*.sh; do
	status=0
	timeout -k 5 "${2:-120}" unshare -n bash -eu "$script" >out 2>err </dev/null || status=$?
	IFS= read -r -d '' out <out || true
	IFS= read -r -d '' err <err || true
	printf '%s\\0' "${script##*/}" "$status" "$out" "$err"
done
"""

PREAMBLE = f"""\
export PATH={FWG.parent}:$PATH LC_ALL=C
ips() {{ printf '%s\\n' "$@" | ip -batch -; }}
"""


@dataclasses.dataclass
class Result:
    """How a script ended; what is on stderr by line."""

    status: int
    out: str
    errors: list


def run_scripts(scripts, folder, *options, seconds=120):
    """{name: Result} of {name: script}, each of which may take SECONDS; OPTIONS are those of
    tests/kunit/uml."""
    for name, script in scripts.items():
        (folder / f"{name}.sh").write_text(PREAMBLE + script)
    runner = folder / "runner"
    runner.write_text(RUNNER)
    done = subprocess.run(
        [TOP / "tests" / "kunit" / "uml", "-t", "900", *options, "bash", runner, folder,
         str(seconds)],
        capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr + done.stdout

    fields = done.stdout.split("\0")
    return {name.removesuffix(".sh"): Result(int(status), out, err.splitlines())
            for name, status, out, err in zip(*[iter(fields)] * 4)}
