#!/bin/sh
""":"
exec "$(dirname "$0")/python" "$0" "$@"
":"""
__doc__ = """Draws configs/pictures.h5, small pictures in colour (h, w, c) for article_cnn*.yaml and
chapter_normalization.yaml: bytes that ntkrun divides by 255.

/shifts          a letter F on 8 x 8 pixels, moved cyclically by 0..7 rows and 0..7 columns
/shifts_as_read  the same, axes (w, c, h): what (1, H, W, C) is to a convolution that reads (N, C, H, W)
/pairs           16 random pictures, then the same 16 brighter
"""
import pathlib

import h5py
import numpy as np

TOP = pathlib.Path(__file__).resolve().parent.parent
SIZE, BRIGHTER = 8, 60


def letter():
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    picture[1:7, 2] = (220, 60, 0)
    picture[1, 2:7] = (0, 200, 80)
    picture[3, 2:5] = (40, 0, 240)
    return picture


def shifts(picture):
    """Sample SIZE d + r is moved d rows down and r columns to the right."""
    return np.array([np.roll(picture, (down, right), (0, 1)) for down in range(SIZE) for right in range(SIZE)])


def datasets():
    moved = shifts(letter())
    down = np.arange(len(moved)) // SIZE
    dark = np.random.RandomState(0).randint(0, 256 - BRIGHTER, (16, SIZE, SIZE, 3)).astype(np.uint8)
    return {"shifts": moved, "shifts_as_read": moved.transpose(0, 2, 3, 1),
            "shift_target": np.cos(2 * np.pi * down / SIZE),
            "pairs": np.concatenate([dark, dark + BRIGHTER]), "brighter": np.repeat([-1.0, 1.0], len(dark))}


def main():
    with h5py.File(TOP / "configs" / "pictures.h5", "w") as file:
        for name, values in datasets().items():
            file.create_dataset(name, data=values, compression="gzip", track_times=False)


if __name__ == "__main__":
    main()
