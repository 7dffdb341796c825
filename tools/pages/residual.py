"""The chapter on residual blocks."""
import numpy as np

from figures import BLUE, GREEN, GREY, ORANGE, RED, SKY, plt
from pages.page import apart, log_ticks, percent, table

DIMENSION, SCALE = 8, 0.1


class Block:
    """Kernels and outputs of one draw of chapter_residual.yaml."""

    def __init__(self, chapter, seed):
        def of(name):
            point = chapter.residual.sweep["kernel"].sel(block=name, seed=seed)
            return point.preview.values, point.initial_output.values
        self.branch, f = of("branch")
        self.identity, h = of("identity")
        self.trained_skip, self.branch_readout, self.identity_readout = (
            of(name)[0] for name in ("trained_skip", "branch_readout", "identity_readout"))
        x = h - SCALE * f
        self.linear = x @ x.T / DIMENSION
        self.cross = (x @ f.T + f @ x.T) / DIMENSION


def residual_cases(chapter):
    """[(case, kernel, the chapter's formula, the correct one)], the last as a mean over all draws."""
    blocks = [Block(chapter, seed) for seed in chapter.residual.root.seed.values]
    first, scaled = blocks[0], SCALE**2 * blocks[0].branch
    mean = {name: np.mean([getattr(b, name) for b in blocks], axis=0)
            for name in ("identity_readout", "linear", "branch_readout", "cross")}
    return (("no readout", first.identity, first.linear + scaled, scaled),
            ("skip is a trained linear map", first.trained_skip, first.linear + scaled, first.linear + scaled),
            ("trained readout, one draw", first.identity_readout, first.linear + first.branch_readout,
             first.linear + first.branch_readout + first.cross),
            (f"trained readout, mean of {len(blocks)} draws", mean["identity_readout"],
             mean["linear"] + mean["branch_readout"], mean["linear"] + mean["branch_readout"] + mean["cross"]))


def residual(chapter):
    correct = ("c² K_F", "x · x' + c² K_F", "x · x' + K_F + x · F(x') + F(x) · x'", "the same")
    return table(["behind the block", "correct", "x · x' + K_F misses the kernel by", "the correct form by"],
                 *([name, form, percent(apart(chapters, kernel)), percent(apart(right, kernel))]
                   for form, (name, kernel, chapters, right) in zip(correct, residual_cases(chapter))))


def floor_spectra(chapter, n):
    """Eigenvalues of c^2 K_F and of x . x' + c^2 K_F on the first n samples, descending."""
    first = Block(chapter, 0)
    return [np.linalg.eigvalsh(k[:n, :n])[::-1] for k in (SCALE**2 * first.branch, first.trained_skip)]


def weyl(chapter):
    rows = []
    for n in (8, 64):
        branch, total = floor_spectra(chapter, n)
        least = "0" if n > 8 else np.linalg.eigvalsh(Block(chapter, 0).linear[:n, :n])[0]
        rest = f"{min(total[8:] / branch[8:]):.2f} to {max(total[8:] / branch[8:]):.2f}" if n > 8 else ""
        rows.append([str(n), f"{min(total[:8] / branch[:8]):.3g} to {max(total[:8] / branch[:8]):.3g}", rest,
                     least, branch[-1], total[-1]])
    return table(["samples", "first 8 eigenvalues grow by a factor", "the others", "smallest of x · x'", "of c² K_F",
                  "of the sum"], *rows)


def depth_formula(depth, scale):
    """Theta_L(x, x) / Theta_0(x, x) of infinite width."""
    c2 = scale**2
    return (1 + c2)**depth + depth / 2 * c2 * (1 + c2)**(depth - 1)


def depth_diagonal(chapter, name):
    """Mean of Theta(x, x), in units of that without blocks (1 on the unit sphere of dimension 8)."""
    root = chapter.residual_depth.root.sel(block=name)
    return root.trace.values / root.n.values


def condition(chapter, name, depth):
    return f"{float(chapter.residual_depth.root.condition_number.sel(block=name, times=depth)):.3g}"


def residual_depth(chapter):
    """Measured, and in brackets that of infinite width."""
    times = [int(d) for d in chapter.residual_depth.root.times.values]
    depths = [d for d in times if d in (1, 4, 16, 64)]
    rows = []
    for text, name, formula in (
            ("plain, variance 1 / fan_in", lambda d: "plain_lecun", lambda d: (d + 2) / 2 / 2.0**d),
            ("plain, variance 2 / fan_in", lambda d: "plain_he", lambda d: (d + 2) / 2),
            ("residual, c = 1", lambda d: "scale_1", lambda d: depth_formula(d, 1)),
            ("residual, c = L^-1/2", lambda d: f"scale_{d**-0.5:g}", lambda d: depth_formula(d, d**-0.5))):
        found = [depth_diagonal(chapter, name(d))[times.index(d)] for d in depths]
        rows.append([text, *(f"{f:.3g} ({formula(d):.3g})" for f, d in zip(found, depths)),
                     *(condition(chapter, name(d), d) for d in depths[1:])])
    return table(["Θ_L(x, x) / Θ_0(x, x)", *(f"L = {d}" for d in depths),
                  *(f"condition number, L = {d}" for d in depths[1:])], *rows)


def figure_residual(chapter):
    figure, panels = plt.subplots(1, 3, figsize=(10.2, 3.4))
    draw_floor(panels[0], chapter)
    draw_growth(panels[1], chapter)
    draw_condition(panels[2], chapter.residual_depth.root)
    return figure


def draw_floor(axes, chapter):
    branch, total = floor_spectra(chapter, 64)
    mode, linear = np.arange(1, 65), np.linalg.eigvalsh(Block(chapter, 0).linear)[:-DIMENSION - 1:-1]
    axes.plot(mode, branch, "o", color=RED, markersize=3, label=r"branch, $c^2 K_F$")
    axes.plot(mode, total, color=BLUE, label=r"with trained skip, $x\cdot x' + c^2 K_F$")
    axes.plot(mode[:DIMENSION], linear, "_", color="black", markersize=7, label=r"$x\cdot x'$: rank 8")
    axes.set(yscale="log", xlabel="mode", ylabel="eigenvalue", title="floor: 8 of 64 modes", ylim=(1e-4, 3e3),
             xticks=[1, 8, 16, 32, 48, 64])
    axes.legend(loc="upper right")


DEPTHS = (("scale_1", 1, RED, "c = 1"), ("scale_0.5", 0.5, ORANGE, "c = 1/2"), ("scale_0.25", 0.25, GREEN, "c = 1/4"),
          ("scale_0.125", 0.125, SKY, "c = 1/8"))


def draw_growth(axes, chapter):
    depth = chapter.residual_depth.root.times.values.astype(float)
    fine = np.geomspace(depth[0], depth[-1], 100)
    for name, scale, color, text in DEPTHS:
        axes.plot(fine, depth_formula(fine, scale), color=color)
        axes.plot(depth, depth_diagonal(chapter, name), "o", color=color, markersize=4, label=text)
    axes.plot(fine, depth_formula(fine, fine**-0.5), "--", color=BLUE, label=r"c = L$^{-1/2}$")
    axes.plot(fine, (fine + 2) / 2 / 2**fine, color=GREY)
    axes.plot(depth, depth_diagonal(chapter, "plain_lecun"), "s", color=GREY, markersize=4, label="plain, variance 1")
    axes.set(yscale="log", ylim=(1e-3, 1e7), xlabel="blocks L", ylabel=r"$\Theta_L(x, x)\, /\, \Theta_0(x, x)$",
             title="growth with depth")
    log_ticks(axes.xaxis, depth)
    axes.legend(loc="upper left", fontsize=7.5)


def draw_condition(axes, root):
    depth = root.times.values
    for name, _, color, text in DEPTHS:
        axes.plot(depth, root.condition_number.sel(block=name), "o-", color=color, markersize=4, label=text)
    axes.plot(depth, root.condition_number.sel(block="plain_he"), "s-", color="black", markersize=4,
              label="plain, variance 2")
    axes.plot(depth, root.condition_number.sel(block="plain_lecun"), "x", color=GREY, markersize=6,
              label="plain, variance 1")
    axes.set(yscale="log", xlabel="blocks L", ylabel="condition number", title="condition")
    log_ticks(axes.xaxis, depth)
    axes.legend(loc="upper right", fontsize=7.5)


CONFIGS = ("residual", "residual_depth")
TABLES = {"residual": residual, "weyl": weyl, "residual_depth": residual_depth}
FIGURES = {"residual": figure_residual}
