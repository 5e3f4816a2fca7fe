# SPDX-License-Identifier: GPL-2.0
"""Information from git about this tree."""

import os
import subprocess
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


class NoHistory(Exception):
    """There is no repository, or not this commit in it."""


def git(*words, top=TOP, **environment):
    """The output of a git command."""
    try:
        done = subprocess.run(["git", *words], cwd=top, env=os.environ | environment, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise NoHistory("git is not installed") from error
    if done.returncode:
        raise NoHistory(done.stderr.strip())
    return done.stdout.strip()


def head_tree():
    """The id of HEAD's tree."""
    return git("rev-parse", "--short=12", "HEAD^{tree}")


def tested_tree(top=TOP):
    """The id of the tree as it is, committed or not, without Markdown, which no test reads."""
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": f"{folder}/index", "top": top}
        git("read-tree", "HEAD", **index)
        git("add", "--all", **index)
        git("rm", "-q", "--cached", "--ignore-unmatch", "*.md", **index)
        return git("write-tree", **index)
