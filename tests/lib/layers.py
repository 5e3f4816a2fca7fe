#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""layers.py LIST MODULE: checks the #includes of the files in the folder MODULE against LIST,
which has the layers, the lowest first; see tests/layers."""

import re
import sys
from pathlib import Path

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def read(path):
    """The layers of a list, {name of a unit: number of its layer from the lowest}, and what is
    wrong with the list."""
    lines = [line.partition("#")[0].split() for line in Path(path).read_text().splitlines()]
    layers, complaints = {}, []
    for number, names in enumerate(filter(None, lines)):
        for name in names:
            if name in layers:
                complaints.append(f"{path}: {name} is listed twice")
            layers[name] = number
    return layers, complaints


def check(path, module):
    """What is wrong, a line each."""
    layers, complaints = read(path)
    module = Path(module)
    files = {file.relative_to(module): file for file in sorted(module.rglob("*.[ch]"))}
    units = {str(name.with_suffix("")) for name in files}
    complaints += [f"{path}: {unit} is missing" for unit in sorted(units - set(layers))]
    complaints += [f"{path}: there is no {unit}" for unit in sorted(set(layers) - units)]
    for name, file in files.items():
        unit = str(name.with_suffix(""))
        for included in INCLUDE.findall(file.read_text()):
            # Relative to the file's folder or to module/. Files of tests/kunit are not checked.
            found = [there for there in (name.parent / included, Path(included)) if there in files]
            if not found or unit not in layers:
                continue
            other = str(found[0].with_suffix(""))
            if layers.get(other, -1) > layers[unit]:
                complaints.append(f"{file}: includes {included}, which is in a layer above")
            if found[0].parent not in (Path("."), *name.parents):
                complaints.append(f"{file}: includes {included}, which is private to its folder")
    return complaints


if __name__ == "__main__":
    FOUND = check(*sys.argv[1:])
    print(*FOUND, sep="\n", end="\n" if FOUND else "")
    sys.exit(1 if FOUND else 0)
