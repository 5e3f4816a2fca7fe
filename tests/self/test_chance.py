# SPDX-License-Identifier: GPL-2.0
"""Choices follow from the commit, and from what they are for."""

import subprocess
import sys
from pathlib import Path

import chance
import history

TESTS = Path(__file__).resolve().parents[1]


def test_same_for_one_commit(monkeypatch, capsys):
    monkeypatch.setenv("FORKGUARD_SEED", "12ab")
    assert chance.number("mutants") == chance.number("mutants")
    assert capsys.readouterr().out.splitlines() == ["mutants: FORKGUARD_SEED=12ab"] * 2
    assert chance.number("mutants") != chance.number("sweep")
    monkeypatch.setenv("FORKGUARD_SEED", "12ac")
    other = chance.number("mutants")
    monkeypatch.delenv("FORKGUARD_SEED")
    assert other != chance.number("mutants")


def test_no_repository(monkeypatch):
    def fail():
        raise history.NoHistory
    monkeypatch.delenv("FORKGUARD_SEED", raising=False)
    monkeypatch.setattr(history, "head_tree", fail)
    assert chance.seed() == "0"


def test_same_in_another_process(monkeypatch):
    """Python's hash() would not be."""
    monkeypatch.setenv("FORKGUARD_SEED", "12ab")
    done = subprocess.run([sys.executable, "-B", "-c", "import chance; print(chance.number('x'))"],
                          cwd=TESTS / "lib", stdout=subprocess.PIPE, text=True, check=True)
    assert int(done.stdout.splitlines()[-1]) == chance.number("x")
