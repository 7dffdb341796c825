#!/bin/sh
""":"
exec "$(dirname "$0")/python" "$0" "$@"
":"""
__doc__ = """Runs configs/chapter_*.yaml and writes what comes out into docs/chapter.md: the tables between
<!-- NAME --> and <!-- end -->, and the figures docs/figures/chapter_*.png.

Formulas of the chapter, and those that replace them, are in pages/ in numpy, a file for each of its sections;
kernels and weights are the program's.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from pages import dropout, neural_ode, normalization, residual, training
from pages.page import Page

SECTIONS = (training, residual, normalization, dropout, neural_ode)

PAGE = Page("chapter", [name for section in SECTIONS for name in section.CONFIGS],
            {name: make for section in SECTIONS for name, make in section.TABLES.items()},
            {name: draw for section in SECTIONS for name, draw in section.FIGURES.items()})

if __name__ == "__main__":
    PAGE.main(__doc__)
