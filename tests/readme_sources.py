#!/usr/bin/env python3
"""Writes the C files that the README has as examples, and the tables with their rows.

readme_sources.py SOURCE_DIR OUT_DIR [--list]; --list only prints what would be written.  A block begins
with /* name: ...; the text before it names the file src/.../KIND_<name>.c and the table's src/.../KIND.c,
or src/KIND/<name>.c and src/KIND/KIND.c.
"""
import pathlib
import re
import sys


def examples(top):
    """(file, text) of every example and its table."""
    for section in re.split(r"^### ", (top / "README.md").read_text(), flags=re.MULTILINE)[1:]:
        block = re.search(r"^```c\n(/\* (\w+): .*?)^```$", section, re.MULTILINE | re.DOTALL)
        file = re.search(r"`src/(\w+)/(?:(\w+)_)?<name>\.c`", section)
        if not block or not file:
            continue
        text, name = block.groups()
        kind = file[2] or file[1]
        table = (top / "src" / file[1] / f"{kind}.c").read_text()
        yield f"{kind}_{name}.c", text
        with_row, found = re.subn(r"^(#define ROWS *\\)$", rf"\1\n  ROW({name}) \\", table, count=1, flags=re.MULTILINE)
        if not found:
            sys.exit(f"src/{file[1]}/{kind}.c has no table of the form #define ROWS")
        yield f"{kind}.c", with_row


def main():
    top, out = map(pathlib.Path, sys.argv[1:3])
    found = dict(examples(top))
    if "--list" in sys.argv:
        print(";".join(str(out / name) for name in found), end="")
        return
    out.mkdir(parents=True, exist_ok=True)
    for name, text in found.items():
        (out / name).write_text(text)


if __name__ == "__main__":
    main()
