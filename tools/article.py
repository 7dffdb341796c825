#!/bin/sh
""":"
exec "$(dirname "$0")/python" "$0" "$@"
":"""
__doc__ = """Runs configs/article_*.yaml and writes what comes out into docs/article.md: the tables between
<!-- NAME --> and <!-- end -->, and the figures docs/figures/article_*.png.

The numbers that the article itself prints come from its code, here in numpy, on the weights that the
program drew; those of its training come from a run of its code by JAX, tests/cases/golden.
"""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import numpy as np

from figures import BLUE, GREEN, GREY, ORANGE, RED, plt
from pages import article_cnn
from pages.page import TOP, Page, rank, spread, sweep, table

GOLDEN = TOP / "tests" / "cases" / "golden" / "article_network.json"
CONFIGS = ("two_points", "kernel", "dynamics", "dynamics_bias", "width", "generalization", *article_cnn.CONFIGS)
SEED, NOISE_VARIANCE = 42, 0.1

# ------------------------------------------------------------------------ the article's code


def contraction(weights, x):
    """`empirical_ntk(...)[0, 0]` of all pairs: the kernel with row 0 only of every W."""
    activation, delta = [x[:, None]], np.ones((len(x), 1))
    for w in weights[:-1]:
        activation.append(np.maximum(activation[-1] @ w, 0))
    kernel = np.zeros((len(x), len(x)))
    for layer in range(len(weights) - 1, -1, -1):
        first = activation[layer][:, 0]
        kernel += (np.outer(first, first) + 1) * (delta @ delta.T)
        delta = (delta @ weights[layer].T) * (activation[layer] > 0)
    return kernel


def generalization_bounds(kernel, y, noise_variance):
    """`compute_generalization_bounds`, line by line."""
    n = len(y)
    eigenvalue, vector = np.linalg.eigh(kernel)
    effective_dimension = np.sum(eigenvalue / (eigenvalue + noise_variance))
    rademacher = np.sqrt(np.sum(eigenvalue) / n)
    bias = np.sum((vector.T @ y) ** 2 / (1 + eigenvalue * n / noise_variance) ** 2)
    variance = noise_variance * effective_dimension / n
    return effective_dimension, rademacher, bias, variance, bias + variance


# ----------------------------------------------------------------------------- what it should be


def limit(x):
    """The kernel of infinite width in NTK parameterization: one input, two hidden layers of ReLU,
    weights of variance 2, biases of scale 1 that start at 0 (MATH C4, by hand)."""
    product = np.outer(x, x)
    return np.where(product > 0, 6 * product + 3, 2 / np.pi * np.abs(product) + 1.5)


# ------------------------------------------------------------------------------------- the runs


def run(program, folder):
    """Runs of all configs, in folder/runs."""
    article = PAGE.run(program, folder)
    article.contraction = sweep(  # weights for all widths of the article's own network
        program, folder, "article_width", "--set", "network.parameterization=standard", "--set", f"network.seed={SEED}",
        "--set", "output.keep=[results, weights]", directory="article_contraction")
    article.golden = json.loads(GOLDEN.read_text())["expected"]["float32_draws"]
    return article


def matrices(results, **select):
    weights = results.weights(**select)
    return [weights[name][1] for name in sorted(weights) if name.endswith("/W")]


def same_weights(article):
    """Those of the article's network 1-256-256-1."""
    return matrices(article.two_points, parameterization="standard")


def training_inputs():
    return np.linspace(-1, 1, 20)


def mean_square(course, which, n):
    """Mean squared error over time and at infinity; half the sum of squares is what is stored."""
    return 2 / n * course[f"{which}_loss"].values, 2 / n * float(course[f"{which}_loss_infinity"])


def losses(article, rate):
    """(steps, losses) of the network, trained by JAX."""
    found = article.golden[f"gd_mean_loss_lr_{rate}"]["losses_at_step"]
    return np.array(list(found), float), np.array(list(found.values()))


def distances(article):
    """[width][seed] of the kernels in NTK parameterization from the limit, relative."""
    root, exact = article.width.root, limit(training_inputs())
    return np.array([[np.linalg.norm(article.width.gram(width=w, parameterization="ntk", seed=s) - exact)
                      for s in root.seed.values] for w in root.width.values]) / np.linalg.norm(exact)


def contraction_norms(article):
    return [np.linalg.norm(contraction(matrices(article.contraction, width=w), training_inputs()))
            for w in article.contraction.root.width.values]


# ------------------------------------------------------------------------------------ the tables


def two_points(article):
    x = np.array([-0.3, 0.5])
    kernels = [contraction(same_weights(article), x), article.two_points.gram(parameterization="standard"),
               article.two_points.gram(parameterization="ntk"), limit(x)]
    pairs = (("Θ(0.5, -0.3)", 1, 0), ("Θ(0.5, 0.5)", 1, 1), ("Θ(-0.3, -0.3)", 0, 0))
    return table(["", "article: entry [0, 0]", "the kernel", "the same, NTK parameterization", "its infinite width"],
                 *([name, *(k[i, j] for k in kernels)] for name, i, j in pairs))


def kernel_table(article):
    x = np.linspace(-2, 2, 50)
    kernels = (("article: entries [0, 0]", contraction(same_weights(article), x)),
               ("the kernel", article.kernel.gram(parameterization="standard")),
               ("the same, NTK parameterization", article.kernel.gram(parameterization="ntk")),
               ("its infinite width", limit(x)))
    rows = []
    for name, k in kernels:
        values = np.linalg.eigvalsh(k)[::-1]
        rows.append([name, *values[:4], str(rank(values)), np.linalg.norm(k)])
    return table(["on 50 points of [-2, 2]", "λ₁", "λ₂", "λ₃", "λ₄", "rank", "Frobenius norm"], *rows)


def flow(article):
    course = article.dynamics.point()["flow"]
    train = course.train_loss.values / 10
    rows = [[f"{course.time.values[k]:.3g}", course.prediction.values[k, 0, 0], train[k]] for k in (0, 1, 2, 9, 99)]
    course = article.dynamics.point()["course"]
    last = course.shown.size - 1  # test samples come first
    rows.append(["∞", course.prediction_infinity.values[last, 0], mean_square(course, "train", 20)[1]])
    return table(["time t", "f(t) at x = -1 (target -0.0028)", "mean squared error, training"], *rows)


def descent(article):
    point, columns = article.dynamics.point(), []
    for rate, group in ((0.1, "article_descent"), (0.001, "descent")):
        course = point[group]
        columns.append({int(k): v for k, v in zip(*losses(article, rate))})
        columns.append(dict(zip(course.time.values.astype(int), course.train_loss.values)))
    return table(["step", "network, rate 0.1 (article)", "linear theory, rate 0.1", "network, rate 0.001",
                  "linear theory, rate 0.001"],
                 *([str(k), *(c.get(k, "") for c in columns)] for k in (0, 1, 2, 3, 4, 5, 10, 20, 50, 100)))


def biases(article):
    rows = []
    for name, results in (("start at 0 (article)", article.dynamics),
                          ("N(0, 1), NTK parameterization", article.dynamics_bias)):
        course, spectrum = (results.point()[group] for group in ("course", "spectrum"))
        test, test_end = mean_square(course, "test", 101)
        best = int(test.argmin())
        rows.append([name, str(rank(spectrum.eigenvalue.values)), mean_square(course, "train", 20)[1], test_end,
                     test[best], "∞" if test_end <= test[best] else f"{course.time.values[best]:.3g}"])
    return table(["biases", "rank of 20", "training error, t = ∞", "test error, t = ∞", "least test error", "at t"],
                 *rows)


def width(article):
    root, far, wrong = article.width.root, distances(article), contraction_norms(article)
    norm = root.frobenius_norm
    rows = []
    for k, w in enumerate(root.width.values):
        standard, ntk = (norm.sel(width=w, parameterization=p) for p in ("standard", "ntk"))
        rows.append([str(w), wrong[k], float(standard.sel(seed=SEED)), spread(standard.values),
                     float(ntk.sel(seed=SEED)), spread(ntk.values), spread(100 * far[k]) + " %"])
    rows.append(["∞", "", "∞", "", np.linalg.norm(limit(training_inputs())), "", "0"])
    return table(["width", "article: entries [0, 0]", "the kernel", "5 seeds", "NTK parameterization", "5 seeds",
                  "distance from the limit"], *rows)


def generalization(article):
    noisy, clean = (article.generalization.point(noise_std=s) for s in (0.1, 0))
    bounds = noisy["article_bounds"]
    risk, wanted = clean["fixed_design_risk"], ("bias2", "variance", "risk")
    at = {name: float(risk[name].values[np.argmin(np.abs(np.log(risk.ridge.values / 0.1)))]) for name in wanted}
    y = noisy["data"].target.values[:, 0]
    printed = generalization_bounds(contraction(same_weights(article), training_inputs()), y, NOISE_VARIANCE)
    rows = (("effective dimension", "effective_dimension", "effective_dimension", "as before"),
            ("Rademacher bound", "rademacher_article", "rademacher", "as before"),
            ("bias", "bias_article", "bias", at["bias2"]),
            ("variance", "variance_article", "variance", at["variance"]),
            ("sum: \"generalization bound\", in-sample risk", "bound_article", "in_sample_risk", at["risk"]))
    return table(["", "article: its formula, its kernel", "its formula, the kernel", "right formula",
                  "noiseless targets, variance 0.01"],
                 *([name, printed[k], float(bounds[old]), float(bounds[new]), true]
                   for k, (name, old, new, true) in enumerate(rows)))


TABLES = {"two_points": two_points, "kernel": kernel_table, "flow": flow, "descent": descent, "biases": biases,
          "width": width, "generalization": generalization, **article_cnn.TABLES}

# ------------------------------------------------------------------------------------ the figures


def figure_kernel(article):
    x = np.linspace(-2, 2, 50)
    shown = (("article: one row of each W", contraction(same_weights(article), x)),
             ("the kernel", article.kernel.gram(parameterization="standard")),
             ("NTK parameterization", article.kernel.gram(parameterization="ntk")))
    figure, panels = plt.subplots(1, 3, figsize=(9.6, 3.0))
    for axes, (name, values) in zip(panels, shown):
        image = axes.imshow(values, origin="lower", extent=[-2.04, 2.04, -2.04, 2.04])
        axes.grid(False)
        axes.set(title=name, xlabel="x", xticks=[-2, -1, 0, 1, 2], yticks=[-2, -1, 0, 1, 2])
        figure.colorbar(image, ax=axes, shrink=0.86, pad=0.03).outline.set_visible(False)
    panels[0].set_ylabel("x'")
    return figure


def figure_dynamics(article):
    figure, panels = plt.subplots(2, 2, figsize=(8.4, 6.2))
    draw_jumps(panels[0, 0], article)
    draw_descent(panels[0, 1], article)
    draw_spectra(panels[1, 0], article)
    draw_fits(panels[1, 1], article)
    return figure


def draw_jumps(axes, article):
    theory = article.dynamics.point()["article_descent"]
    axes.plot(*losses(article, 0.1), "x", color=ORANGE, label="network, rate 0.1 (article)")
    axes.plot(theory.time.values, theory.train_loss.values, color=ORANGE, label="linear theory, rate 0.1")
    axes.plot(*losses(article, 0.001), "o", color=RED, markersize=4, label="network, rate 0.001")
    axes.set(yscale="log", xlabel="step", ylabel="training loss", ylim=(1e-2, 1e12), title="descent")
    axes.legend(loc="upper right")


def draw_descent(axes, article):
    """Against the time of half the sum of squares: a step of rate r on the mean is r / 20 of it."""
    course = article.dynamics.point()["course"]
    step, loss = (v[1:] for v in losses(article, 0.001))
    axes.plot(course.time.values, course.train_loss.values / 20, color=BLUE, label="linear theory")
    axes.plot(step * 0.001 / 20, loss, "o", color=RED, markersize=4, label="network, rate 0.001")
    axes.plot(step * 0.001 / 10, loss, "o", color=GREY, markersize=5, fillstyle="none",
              label="the same, article's axis (twice)")
    axes.set(xscale="log", xlabel="time t", ylabel="training loss", xlim=(1e-5, 20), ylim=(0, 0.36),
             title="network and theory below the limit")
    axes.legend(loc="lower left")


def draw_spectra(axes, article):
    for results, name, color, marker in ((article.dynamics, "biases 0 (article)", BLUE, "o"),
                                         (article.dynamics_bias, "biases N(0, 1)", GREEN, "s")):
        value = results.point()["spectrum"].eigenvalue.values
        count = rank(value)
        axes.plot(np.arange(1, count + 1), value[:count] / value[0], marker=marker, markersize=4, color=color,
                  label=f"{name}: rank {count}")
    axes.set(yscale="log", xlabel="mode", ylabel=r"eigenvalue $\lambda_k / \lambda_1$", title="spectrum",
             xticks=[1, 5, 10, 15, 20])
    axes.legend(loc="upper right")


def draw_fits(axes, article):
    x = np.linspace(-1, 1, 101)
    target = article.dynamics.point()["data"].target.values[:, 0]
    axes.plot(x, np.sin(2 * np.pi * x), color="#B5B5B5", linewidth=3, label=r"$\sin 2\pi x$")
    for results, name, color in ((article.dynamics, "biases 0 (article)", BLUE),
                                 (article.dynamics_bias, "biases N(0, 1)", GREEN)):
        axes.plot(x, results.point()["course"].prediction_infinity.values[:101, 0], color=color, label=name)
    axes.plot(training_inputs(), target, ".", color="black", label="data")
    axes.set(xlabel="x", ylim=(-1.35, 2.4), title="prediction after infinite time")
    axes.legend(loc="upper center", ncols=2)


def figure_width(article):
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.3))
    root, w = article.width.root, article.width.root.width.values
    bars = {"capsize": 2.5, "markersize": 4}
    for name, text, color, marker in (("standard", "the kernel", RED, "s"), ("ntk", "NTK parameterization", BLUE, "o")):
        norm = root.frobenius_norm.sel(parameterization=name)
        left.errorbar(w, norm.mean("seed"), norm.std("seed", ddof=1), color=color, marker=marker, label=text, **bars)
    left.plot(w, contraction_norms(article), "^--", color=GREY, markersize=4, label="article: one row of each W")
    left.axhline(np.linalg.norm(limit(training_inputs())), color=BLUE, linewidth=0.8, linestyle=":")
    left.set(xscale="log", yscale="log", xlabel="width", ylabel="Frobenius norm", title="norm of the kernel")
    left.legend(loc="upper left")
    far = distances(article)
    right.errorbar(w, far.mean(1), far.std(1, ddof=1), color=BLUE, marker="o", label="NTK parameterization",
                   **bars)
    right.plot(w, far.mean(1)[-1] * np.sqrt(w[-1] / w), color=GREY, linewidth=0.9, linestyle="--",
               label=r"width$^{-1/2}$")
    right.set(xscale="log", yscale="log", xlabel="width", ylabel="relative distance",
              title="distance from infinite width")
    right.legend(loc="upper right")
    return figure


FIGURES = {"kernel": figure_kernel, "dynamics": figure_dynamics, "width": figure_width, **article_cnn.FIGURES}


PAGE = Page("article", CONFIGS, TABLES, FIGURES)

if __name__ == "__main__":
    PAGE.main(__doc__, run)
