# SPDX-License-Identifier: GPL-2.0
"""The sample of end-to-end tests that `make check` plays: smaller than all, but the samples of some
commits together have every test."""

import os
import subprocess
from pathlib import Path

TOP = Path(__file__).parents[2]


def collected(*options, seed=""):
    """The tests that pytest would run."""
    done = subprocess.run(
        ["/usr/bin/python3", "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider",
         "tests/e2e", *options], cwd=TOP, capture_output=True, text=True, check=True,
        env={**os.environ, "FORKGUARD_SEED": seed})
    return {line for line in done.stdout.splitlines() if "::" in line}


def test_samples_have_every_test():
    samples = [collected("--sample", seed=f"commit {number}") for number in range(12)]
    assert set.union(*samples) == (every := collected())
    sizes = {len(sample) for sample in samples}
    assert sizes == {max(sizes)} and len(every) / 2 < max(sizes) < len(every)
    assert collected("--sample", seed="commit 0") == samples[0] != samples[1]
