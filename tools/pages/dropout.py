"""The chapter on dropout."""
import numpy as np

from figures import BLUE, GREEN, GREY, ORANGE, PINK, RED, plt
from pages.page import STATED, by_angle, table


def dropout_kernels(chapter, times, masks, keep, inverted=False):
    """[draw][sample][sample] and the kernel without dropout."""
    kernel = chapter.dropout.sweep["kernel"].preview
    found = kernel.sel(times=times, masks=masks, keep=keep, inverted=str(inverted).lower()).values
    plain = kernel.sel(times=times, masks="per_sample", keep=1.0, inverted="false", seed=0).values
    return found[~np.isnan(found).any(axis=(1, 2))], plain


def dropout_factors(chapter, times, masks, keep, inverted=False):
    """(on the diagonal, at all angles between 0 and pi, where the kernel is 0)."""
    found, plain = dropout_kernels(chapter, times, masks, keep, inverted)
    factor = by_angle(found)[:-1] / by_angle(plain)[:-1]
    return factor[0], factor[1:]


def between(chapter, *select):
    """One factor for all pairs of samples."""
    found, plain = dropout_kernels(chapter, *select)
    off = ~np.eye(len(plain), dtype=bool)
    return found[:, off].sum() / plain[off].sum() / len(found)


def relu_kernel(times, angle, between, diagonal):
    """Infinite width, `times` layers relu and dropout, whose masks multiply moments of two samples by
    `between` and those of one by `diagonal` (MATH C16)."""
    cosine, variance = np.cos(angle), 1.0
    tangent = cosine
    for _ in range(times):
        turn = np.arccos(np.clip(cosine, -1, 1))
        product = between * variance * (np.sin(turn) + (np.pi - turn) * cosine) / np.pi
        tangent = product + between * (1 - turn / np.pi) * tangent
        variance *= diagonal
        cosine = product / variance
    return tangent


def dropout(chapter):
    p, rows = 0.7, []
    for times, masks, inverted, text, off, diagonal in (
            (1, "per_sample", False, "one dropout, masks of their own", p**2, p),
            (1, "expected_independent", False, "the same, mean over all masks", p**2, p),
            (1, "shared", False, "one dropout, the same mask", p, p),
            (1, "expected_shared", False, "the same, mean over all masks", p, p),
            (1, "mean", False, "network of the mean", p**2, p**2),
            (1, "per_sample", True, "one dropout, masks divided by p", 1, 1 / p),
            (1, "expected_independent", True, "the same, mean over all masks", 1, 1 / p),
            (2, "per_sample", False, "two dropouts, masks of their own", None, p**2),
            (3, "per_sample", False, "three dropouts, masks of their own", None, p**3)):
        on, angles = dropout_factors(chapter, times, masks, p, inverted)
        if off is None:
            wanted, shown = "depends on the angle", f"{angles.min():.3f} to {angles.max():.3f}"
        else:
            wanted, shown = f"{off:.3f}", f"{between(chapter, times, masks, p, inverted):.3f}"
        rows.append([text, f"{p**2:.3f}", wanted, shown, f"{diagonal:.3f}", f"{on:.3f}"])
    return table(["p = 0.7", "chapter", "between samples", "measured", "diagonal", "measured"], *rows)


def figure_dropout(chapter):
    figure, panels = plt.subplots(2, 2, figsize=(8.4, 6.4))
    draw_masks(panels[0, 0], chapter)
    draw_inverted(panels[0, 1], chapter)
    draw_angles(panels[1, 0], chapter)
    draw_dropout_spectra(panels[1, 1], chapter)
    return figure


def keeps(chapter):
    keep = chapter.dropout.root.keep.values
    return keep[keep < 1], np.linspace(0.25, 1, 50)


def draw_masks(axes, chapter):
    keep, p = keeps(chapter)
    axes.plot(p, p**2, color=BLUE)
    axes.plot(p, p, color=RED)
    axes.plot(p, p**2, label=r"chapter, all entries: $p^2$", **STATED)
    axes.plot(keep, [between(chapter, 1, "per_sample", k) for k in keep], "o", color=BLUE, markersize=5,
              label="two samples, own masks")
    axes.plot(keep, [between(chapter, 1, "shared", k) for k in keep], "^", color=GREEN, markersize=6,
              label="two samples, one mask")
    axes.plot(keep, [dropout_factors(chapter, 1, "per_sample", k)[0] for k in keep], "s", color=RED, markersize=4,
              label="a sample with itself")
    axes.set(xlabel="keep probability p", ylabel="kernel / kernel without dropout",
             title="one dropout, masks of 0 and 1", ylim=(0, 1.05))
    axes.legend(loc="upper left")


def draw_inverted(axes, chapter):
    keep, p = keeps(chapter)
    axes.plot(p, np.ones_like(p), color=BLUE)
    axes.plot(p, 1 / p, color=RED)
    axes.plot(p, p**2, label=r"chapter: $p^2$", **STATED)
    axes.plot(keep, [between(chapter, 1, "per_sample", k, True) for k in keep], "o", color=BLUE, markersize=5,
              label="two samples: 1")
    axes.plot(keep, [dropout_factors(chapter, 1, "per_sample", k, True)[0] for k in keep], "s", color=RED,
              markersize=4, label="a sample with itself: 1/p")
    axes.set(xlabel="keep probability p", ylabel="kernel / kernel without dropout",
             title="one dropout, masks divided by p", ylim=(0, 4.2))
    axes.legend(loc="upper right")


def draw_angles(axes, chapter):
    p, angle = 0.7, np.linspace(0.02, np.pi - 0.02, 100)
    for times, color in ((1, BLUE), (2, ORANGE), (3, PINK)):
        on, off = dropout_factors(chapter, times, "per_sample", p)
        exact = relu_kernel(times, angle, p**2, p) / relu_kernel(times, angle, 1, 1)
        count = len(off) + 1
        axes.plot(angle * 180 / np.pi, exact, color=color)
        axes.plot(np.arange(1, count) * 180 / count, off, "o", color=color, markersize=4,
                  label=f"{times} dropout{'s' * (times > 1)}")
        axes.plot(0, on, "s", color=color, markersize=5)
    axes.axhline(p**2, label="chapter", **STATED)
    axes.plot([], [], "s", color="black", markersize=4, label="diagonal")
    axes.set(xlabel="angle between samples, degrees", ylabel="kernel / kernel without dropout",
             title="p = 0.7, masks of 0 and 1", ylim=(0, 1.05), xticks=range(0, 181, 30))
    axes.legend(loc="upper right", ncols=2)


def draw_dropout_spectra(axes, chapter):
    p = 0.7
    inverted, plain = dropout_kernels(chapter, 1, "per_sample", p, True)
    lines = [np.linalg.eigvalsh(k)[::-1] for k in (plain, p**2 * plain, inverted[0])]
    mode = np.arange(1, len(plain) + 1)
    for value, text, style in zip(lines, ("no dropout", r"chapter: $p^2$ times that", "masks divided by p"),
                                  ({"color": GREY, "marker": "o"}, STATED, {"color": BLUE, "marker": "s"})):
        axes.plot(mode, value, markersize=4, label=text, **style)
    axes.set(yscale="log", xlabel="mode", ylabel=r"eigenvalue $\lambda_k$", title="spectrum, one dropout, p = 0.7",
             xticks=[1, 6, 12, 18, 24], ylim=(0.01, 40))
    axes.legend(loc="lower left")


CONFIGS = ("dropout",)
TABLES = {"dropout": dropout}
FIGURES = {"dropout": figure_dropout}
