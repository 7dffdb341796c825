"""Command lines of the scripts, with the exit codes of ntkrun: 64 for a wrong one, 66 for a missing file."""
import argparse
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
