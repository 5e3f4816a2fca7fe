# SPDX-License-Identifier: GPL-2.0
"""Runs scripts of many tests in one boot of user-mode Linux, with the forkguard module."""

import dataclasses
import functools
import json
import os
import subprocess
from pathlib import Path

TOP = Path(__file__).parents[2]
FWG = Path(os.environ.get("FWG") or TOP / "build" / "fwg")

# Each script gets a network namespace of its own. Starting a program takes 0.1 s there, so scripts
# start few.
RUNNER = """\
export SCRIPTS=$1
cd /tmp
for script in "$SCRIPTS"/*.sh; do
	status=0
	timeout -k 5 "${2:-600}" unshare -n bash -eu "$script" >out 2>err </dev/null || status=$?
	IFS= read -r -d '' out <out || true
	IFS= read -r -d '' err <err || true
	printf '%s\\0' "${script##*/}" "$status" "$out" "$err"
done
"""

PREAMBLE = f"""\
export PATH={FWG.parent}:$PATH LC_ALL=C PYTHONDONTWRITEBYTECODE=1
export PYTHONPATH={TOP}/tests/lib:{TOP}/tests/lab
ips() {{ printf '%s\\n' "$@" | ip -batch -; }}
"""


@dataclasses.dataclass
class Result:
    """The result of a script; stderr is a list of lines."""

    status: int
    out: str
    errors: list


@functools.cache
def module():
    """The forkguard.ko for user-mode Linux; make needs some seconds to see that it is there."""
    return subprocess.run([TOP / "scripts/module.sh", "um"], check=True, stdout=subprocess.PIPE,
                          text=True).stdout.strip()


def run_scripts(scripts, folder, *options, seconds=600):
    """{name: Result} of {name: script}, each of which may take SECONDS; OPTIONS are those of
    tests/kunit/uml."""
    for name, script in scripts.items():
        (folder / f"{name}.sh").write_text(PREAMBLE + script)
    runner = folder / "runner"
    runner.write_text(RUNNER)
    done = subprocess.run(
        [TOP / "tests" / "kunit" / "uml", "-m", module(), "-t", "3400", *options,
         "bash", runner, folder, str(seconds)],
        capture_output=True, text=True, timeout=3500, check=False)
    assert done.returncode == 0, done.stderr + done.stdout

    fields = done.stdout.split("\0")
    return {name.removesuffix(".sh"): Result(int(status), out, err.splitlines())
            for name, status, out, err in zip(*[iter(fields)] * 4)}


def of(name):
    """Marks a test that evaluates a script."""
    def mark(test):
        test.script = name
        return test
    return mark


def wanted(request):
    """The names of the scripts that the selected tests of a module need."""
    return {item.function.script for item in request.session.items
            if item.module is request.module and hasattr(item.function, "script")}


def see(scripts, options, tmp_path_factory):
    """The Results of {name: script in Python}. Scripts may use guest.py, and store observations in
    `out`. Sleeping takes no time. OPTIONS has kernel options for some scripts; there is one boot
    for each set of options."""
    boots, found = {}, {}
    for name, text in scripts.items():
        boots.setdefault(options.get(name, ()), {})[name] = f"""\
export PYTHONPATH=$SCRIPTS:$PYTHONPATH
ip -all netns del || :
ip netns add b
/usr/bin/python3 - <<'END_OF_SCRIPT'
from guest import *
from messages import COOKIE, INITIATION, RESPONSE
out = {{}}
{text}
print(json.dumps(out, default=repr))
END_OF_SCRIPT
"""
    for more, boot in boots.items():
        folder = tmp_path_factory.mktemp("boot")
        (folder / "guest.py").write_text(Path(__file__).with_name("guest.py").read_text())
        found |= run_scripts(boot, folder, "-a", "time-travel=inf-cpu", *more, seconds=2000)
    return found


def seen(result):
    """The observations of such a script."""
    assert result.status == 0, result
    return json.loads(result.out)
