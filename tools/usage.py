"""Command lines of the scripts, with the exit codes of ntkrun: 64 for a wrong one, 66 for a missing file, 73 for
output that cannot be written."""
import argparse
import errno
import os
import signal
import sys

USAGE, BAD_INPUT, MISSING, CANNOT_CREATE = 64, 65, 66, 73


class Parser(argparse.ArgumentParser):
    """Help is the script's description as it is written."""

    def __init__(self, description):
        super().__init__(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def fail(code, text):
    """Ends the script."""
    print(text, file=sys.stderr)
    sys.exit(code)


def run(main):
    """What a script does, to its end: a reader that has gone (`| head`) ends it in silence, as it ends any filter,
    and a full disk with one line."""
    try:
        try:
            code = main()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        close_output()
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        close_output()
        fail(CANNOT_CREATE, f"{error.filename or 'output'}: cannot be written: {error.strerror}")
    sys.exit(code)


def close_output():
    """Python would try once more to write what is left, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
