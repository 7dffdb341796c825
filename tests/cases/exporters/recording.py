"""What record_torch.py, record_flax.py and record_stax.py have in common.

They write <program>_<case>.json: a network as read_<program>.py describes it, and what the program makes of it in
double precision.

    {description, "samples": [n][...] as ntkrun takes them, "outputs": [n][O], "kernel": [n O][n O]}

The kernel is the product of the Jacobians by automatic differentiation over all trainable parameters.  And
<program>_refused.json: {name: {description, "words": [what the refusal says]}}.  Weights and samples have few digits,
so that the files are short, and do not depend on the program's random numbers: check_exporters.py records again
where the program is importable, and compares.
"""
import json
import pathlib
import sys
import zlib

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent.parent / "tools"))
VOCABULARY = 3
IMAGES, SEQUENCES, TOKENS = (5, 4, 2), (3, 4), (3,)


def weights(name, shape, positive=False):
    """Entries of a tensor; positive ones for variances."""
    drawn = np.round(0.6 * np.random.default_rng(zlib.crc32(name.encode())).normal(size=shape), 2)
    return np.abs(drawn) + 0.5 if positive else drawn


def samples_of(shape, tokens=False):
    generator = np.random.default_rng(7)
    if tokens:
        return generator.integers(0, VOCABULARY, (3, *shape))
    return np.round(generator.normal(size=(3, *shape)), 2)


def plain(description):
    return {**description, "state": {name: np.asarray(array).tolist() for name, array in description["state"].items()}}


def finish(description, samples, outputs, kernel):
    return {**plain(description), "samples": samples.tolist(), "outputs": outputs.tolist(), "kernel": kernel.tolist()}


def write(program, cases, record, refused):
    for name in cases:
        (HERE / f"{program}_{name}.json").write_text(json.dumps(record(name)) + "\n")
    (HERE / f"{program}_refused.json").write_text(json.dumps(refused) + "\n")
