# SPDX-License-Identifier: GPL-2.0
"""tests/evidence, on a repository of its own."""

import os
import subprocess
from pathlib import Path

import history
import pytest

EVIDENCE = Path(__file__).parents[1] / "evidence"
WHO = {f"GIT_{who}_{what}": "nobody@localhost" for who in ("AUTHOR", "COMMITTER")
       for what in ("NAME", "EMAIL")}


class Repository:
    """Has a module, a tool, and the evidence."""

    def __init__(self, top):
        self.top = top
        self.git("init", "-q")
        self.write("module/seal.c", "1\n")
        self.write("userspace/fwg.c", "1\n")
        self.commit = self.save()

    def git(self, *words):
        return history.git(*words, top=self.top, **WHO, GIT_CONFIG_GLOBAL=os.devnull)

    def write(self, name, text):
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def save(self):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")
        return self.git("rev-parse", "--short=7", "HEAD")

    def evidence(self, text):
        self.write("tests/EVIDENCE.md", text)
        done = subprocess.run([EVIDENCE, self.top], capture_output=True, text=True, check=False)
        assert not done.stderr
        return done.returncode, done.stdout.splitlines()


@pytest.fixture(name="repository")
def fixture_repository(tmp_path):
    return Repository(tmp_path)


def test_what_has_changed_is_named(repository):
    text = f"""# Evidence

Commit: fffffff

## Sweep

Commit: {repository.commit}

## Parsers

Commit: {repository.commit} (userspace)

## Model
"""
    same = [f"evidence: {name}: commit {repository.commit}, unchanged since"
            for name in ("Sweep", "Parsers")]
    assert repository.evidence(text) == (0, same)
    repository.write("module/seal.c", "2\n")
    changed = (f"evidence: Sweep: commit {repository.commit}, "
               "since then: 1 file changed, 1 insertion(+), 1 deletion(-)")
    assert repository.evidence(text) == (0, [changed, same[1]])
    repository.save()
    assert repository.evidence(text) == (0, [changed, same[1]])
    repository.write("userspace/fwg.c", "2\n")
    assert repository.evidence(text)[1][1].startswith(
        f"evidence: Parsers: commit {repository.commit}, since then: 1 file")


def test_commit_that_is_not_there(repository):
    status, lines = repository.evidence("## Sweep\nCommit: fffffff\n")
    assert status == 1 and "fffffff" in lines[0]


def test_no_commit_at_all(repository):
    assert repository.evidence("## Sweep\nnone\n") == (
        1, ["evidence: no section of tests/EVIDENCE.md names a commit"])
