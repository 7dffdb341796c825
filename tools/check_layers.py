#!/usr/bin/env python3
"""Fails if a file includes a header of a floor that its own floor may not see, or mpi.h or hdf5.h
where they do not belong (see the table of floors in the README)."""
import pathlib
import re
import sys

SEES = {  # floor: floors it may include, besides itself
    "base": "",
    "config": "base",
    "data": "base config",
    "model": "base config",
    "dist": "base",
    "store": "base config dist",
    "kernel": "base config data model dist store",
    "solve": "base config dist store",
    "train": "base config data model dist store kernel solve",
    "analysis": "base config dist solve",
    "run": "base config data model dist store kernel solve train analysis",
}
LIBRARIES = {  # header: floors that may include it
    "mpi.h": {"dist", "store", "run"},
    "hdf5.h": {"store", "data"},
    "hdf5_hl.h": {"store", "data"},
    "yaml.h": {"config"},
    "cblas.h": {"base"},
}


def problems(path):
    floor = path.parent.name
    if floor not in SEES:
        yield 1, f"'{floor}' is no floor; floors are {', '.join(SEES)}"
        return
    for number, line in enumerate(path.read_text().splitlines(), 1):
        include = re.match(r'\s*#\s*include\s+(?:"(?P<own>[^"]+)"|<(?P<library>[^>]+)>)', line)
        if not include:
            continue
        library, own = include["library"], include["own"]
        if library in LIBRARIES and floor not in LIBRARIES[library]:
            yield number, f"{floor} may not include {library}"
        if own and own.startswith("ntk/"):
            other = own.split("/")[1]
            if other != floor and other not in SEES[floor].split():
                yield number, f"{floor} may not include {other}"
        elif own and (own.startswith(".") or "/" in own):
            yield number, f'{own}: headers of other folders are included as "ntk/<floor>/x.h"'


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    found = [(path, *problem)
             for pattern in ("src/*/*.[ch]", "include/ntk/*/*.h")
             for path in sorted(root.glob(pattern)) for problem in problems(path)]
    names = [path.name for path in root.glob("src/*/*.c")]
    for name in sorted({n for n in names if names.count(n) > 1}):
        found.append((root / "src", 1, f"{name} exists on two floors; file names are unique"))
    for path, number, text in found:
        print(f"{path}:{number}: {text}")
    if not names:
        sys.exit(f"{root}: no src/*/*.c")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
