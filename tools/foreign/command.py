"""What the commands export_torch.py and export_jax.py have in common: their arguments, and refusals."""
import importlib
import importlib.util
import pathlib
import sys

from foreign.weights import Refusal
from usage import BAD_INPUT, CANNOT_CREATE, MISSING, Parser, fail, run


def main(description, origin, shape, state_help, write):
    """write(origin's object, arguments) returns the `network:` section; `shape` is an example of one."""
    run(lambda: export(parse(description, origin, shape, state_help), write))


def export(arguments, write):
    check_files(arguments)
    try:
        print(write(find_object(arguments.source), arguments), end="")
    except Refusal as refusal:
        fail(BAD_INPUT, f"{arguments.source}: {refusal}")


def parse(description, origin, shape, state_help):
    parser = Parser(description)
    parser.add_argument("source", metavar="FILE.py:NAME", help=f"{origin}; PACKAGE.MODULE:NAME likewise")
    parser.add_argument("path", metavar="OUT.h5", help="weights file to write")
    parser.add_argument("--input-shape", metavar=shape, type=sizes, required=True,
                        help="shape of one sample as the network takes it")
    parser.add_argument("--state", metavar="FILE", help=state_help)
    return parser.parse_args()


def sizes(text):
    found = tuple(int(size) for size in text.split(","))
    if min(found) < 1:
        raise ValueError
    return found


def check_files(arguments):
    where = arguments.source.rpartition(":")[0]
    for path in (where if where.endswith(".py") else None, arguments.state):
        if path and not pathlib.Path(path).exists():
            fail(MISSING, f"{path}: no such file")
    if not pathlib.Path(arguments.path).resolve().parent.is_dir():
        fail(CANNOT_CREATE, f"{arguments.path}: cannot be written: its folder is not there")


def find_object(source):
    """What a file or a module calls so."""
    where, _, name = source.rpartition(":")
    if not where or not name:
        raise Refusal(source, "source", "it names no object", "write FILE.py:NAME or PACKAGE.MODULE:NAME")
    sys.path.insert(0, str(pathlib.Path(where).resolve().parent) if where.endswith(".py") else "")
    try:
        found = importlib.import_module(pathlib.Path(where).stem if where.endswith(".py") else where)
        for part in name.split("."):
            found = getattr(found, part)
    except ImportError as error:
        raise Refusal(where, "source", str(error), "run this with a Python that has it, from the right "
                      "folder") from error
    except AttributeError as error:
        raise Refusal(where, "source", str(error), "name what the file defines at its top level") from error
    return found
