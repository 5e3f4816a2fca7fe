# SPDX-License-Identifier: GPL-2.0
"""What tests/lib/layers.py takes for a layer that knows one above it."""

import shutil
from pathlib import Path

import layers
import pytest

TESTS = Path(__file__).resolve().parents[1]
LIST = "noise  # the interface\nroom/types\nroom/seal room/open\npeer\n"
FILES = {"noise.h": "", "room/types.h": '#include "noise.h"\n',
         "room/seal.h": "", "room/open.h": "",
         "room/seal.c": '#include "seal.h"\n#include "types.h"\n#include "noise.h"\n',
         "peer.h": '#include "noise.h"\n#include <linux/seal.h>\n',
         "peer.c": '#include "peer.h"\n#include "peer_test.c"\n'}


@pytest.mark.parametrize("name, text, complaint", (
    (None, None, None),
    ("room/open.c", '#include "seal.h"\n', None),
    ("noise.h", '#include "peer.h"\n', "noise.h: includes peer.h, which is in a layer above"),
    ("noise.h", ' # include "peer.h"', "noise.h: includes peer.h, which is in a layer above"),
    ("room/types.h", '#include "seal.h"\n',
     "room/types.h: includes seal.h, which is in a layer above"),
    ("room/seal.c", '#include "peer.h"\n',
     "room/seal.c: includes peer.h, which is in a layer above"),
    ("peer.c", '#include "room/types.h"\n',
     "peer.c: includes room/types.h, which is private to its folder"),
    ("other.c", "", "list: other is missing"),
))
def test_complaints(tmp_path, name, text, complaint):
    module = tmp_path / "module"
    (module / "room").mkdir(parents=True)
    (tmp_path / "list").write_text(LIST)
    for file, content in FILES.items() if name is None else (FILES | {name: text}).items():
        (module / file).write_text(content)
    found = layers.check(tmp_path / "list", module)
    assert len(found) == bool(complaint)
    assert not complaint or found[0].endswith(complaint)


def test_list_names_what_is_there(tmp_path):
    (tmp_path / "list").write_text("a b\na\n")
    (tmp_path / "a.c").write_text("")
    assert layers.check(tmp_path / "list", tmp_path) == [
        f"{tmp_path}/list: a is listed twice", f"{tmp_path}/list: there is no b"]


def test_planted_include(tmp_path):
    """In the module itself."""
    module = shutil.copytree(TESTS.parent / "module", tmp_path / "module")
    assert layers.check(TESTS / "layers", module) == []
    for below, above in (("generation.h", "noise.h"), ("noise/seal.c", "handshake.c"),
                         ("peer.h", "send.h")):
        with open(module / below, "a", encoding="utf-8") as file:
            file.write(f'#include "{above}"\n')
    assert len(layers.check(TESTS / "layers", module)) == 3
