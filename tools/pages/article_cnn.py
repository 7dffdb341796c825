"""The article's convolutional network."""
import numpy as np

import pictures
from figures import BLUE, RED, SKY, plt
from pages.page import BARS, GUIDE, log_ticks, rounding, spread, table


def relu_duals(product, square):
    """E relu(u) relu(v) and E relu'(u) relu'(v) for covariances `product` and variances `square` (MATH C4).
    Where a patch is black, u is 0 in every network: relu'(0) = 0."""
    scale = np.sqrt(square[:, None] * square[None])
    sine = np.sqrt(np.maximum((scale - product) * (scale + product), 0))
    slope = np.where(scale > 0, 0.5 - np.arctan2(sine, product) / (2 * np.pi), 0)
    return sine / (2 * np.pi) + slope * product, slope


def window_mean(kernel):
    """Over the 3 x 3 window of each position [..., h, w], zeros around the image."""
    padded = np.pad(kernel, [(0, 0)] * (kernel.ndim - 2) + [(1, 1), (1, 1)])
    h, w = kernel.shape[-2:]
    return sum(padded[..., i:i + h, j:j + w] for i in range(3) for j in range(3)) / 9


def cnn_limit(images):
    """The kernel of infinite width of article_cnn_width.yaml.  Behind `flatten` only products of the same
    position in both images count (MATH C17)."""
    product = np.einsum("ihwc,jhwc->ijhw", images, images) / images.shape[-1]
    tangent = np.zeros_like(product)
    for _ in range(2):
        covariance, tangent = 2 * window_mean(product), 2 * window_mean(product + tangent) + 1
        product, slope = relu_duals(covariance, np.einsum("iihw->ihw", covariance))
        tangent = slope * tangent
    return 2 * (product + tangent).mean(axis=(2, 3)) + 1


def cnn_distances(article):
    """The same of the CNN."""
    results = article.cnn_width
    index = np.sort(results.sweep["data"]["index"].values.reshape(-1, 16)[0].astype(int))
    exact = cnn_limit(pictures.datasets()["shifts"][index] / 255)
    return np.array([[np.linalg.norm(results.gram(width=w, parameterization="ntk", seed=s) - exact)
                      for s in results.root.seed.values] for w in results.root.width.values]) / np.linalg.norm(exact)


def cnn_shifts(article, layout, readout):
    """The kernel of the picture with itself, moved down by 0 .. 7 rows, and to the right by 0 .. 7 columns."""
    moved = article.cnn.gram(layout=layout, readout=readout, contraction="jacobian")[0].reshape(8, 8)
    return moved[:, 0], moved[0]


def cnn_layouts(article):
    rows = []
    for readout, name in (("article", "zeros at the border, flatten (article)"),
                          ("invariant", "cyclic, mean over positions")):
        for layout, axes in (("h_w_c", "(h, w, c)"), ("as_read", "as the article reads it")):
            change = [100 * np.ptp(k) / k[0] for k in cnn_shifts(article, layout, readout)]
            rows.append([name, axes, *(f"{c:.1f} %" for c in change)])
    return table(["network", "axes of the picture", "change of Θ, moved down", "moved to the right"], *rows)


def cnn_contractions(article):
    select = {"layout": "h_w_c", "readout": "article"}
    grams = {c: article.cnn.gram(contraction=c, **select) for c in ("pairs", "jacobian", "pixel_gram")}
    rows = []
    for name, text in (("pairs", "sums over all pairs of positions"),
                       ("jacobian", "gradients of single pictures, then their Gram"),
                       ("pixel_gram", "pairs, the patches' products from those of the pixels")):
        kernel = article.cnn.point(contraction=name, **select)["kernel"]
        change = np.abs(grams[name] - grams["jacobian"]).max() / grams["jacobian"].max()
        rows.append([f"`{name}`: {text}", float(kernel.flops) / 1e9, rounding(change, 1e-14)])
    return table(["contraction", "Gflop", "largest difference from `jacobian`, relative"], *rows)


def cnn_width(article):
    root, far = article.cnn_width.root, cnn_distances(article)
    rows = []
    for k, w in enumerate(root.width.values):
        norms = (root.frobenius_norm.sel(width=w, parameterization=p).values for p in ("standard", "ntk"))
        rows.append([str(w), *map(spread, norms), spread(100 * far[k]) + " %"])
    return table(["channels", "standard parameterization", "NTK parameterization", "distance from the limit"], *rows)


def figure_cnn(article):
    figure, panels = plt.subplots(1, 3, figsize=(9.6, 3.2))
    draw_shifts(panels[0], article)
    draw_cnn_width(panels[1], article.cnn_width.root)
    draw_cnn_distance(panels[2], article)
    return figure


def draw_shifts(axes, article):
    shift, lines = np.arange(8), {k: cnn_shifts(article, k, "invariant") for k in ("h_w_c", "as_read")}
    for (layout, direction), text, style in ((("h_w_c", 0), "(h, w, c), down", {"color": BLUE, "marker": "o"}),
                                             (("h_w_c", 1), "(h, w, c), right", {"color": SKY, "marker": "x"}),
                                             (("as_read", 0), "as the article reads it, down",
                                              {"color": RED, "marker": "s"})):
        moved = lines[layout][direction]
        axes.plot(shift, moved / moved[0], markersize=4.5, label=text, **style)
    axes.set(xlabel="pixels that the picture is moved", ylabel=r"$\Theta(x, x_{moved})\, /\, \Theta(x, x)$",
             ylim=(0.82, 1.12), title="cyclic convolutions, mean", xticks=shift)
    axes.legend(loc="upper center")


def draw_cnn_width(axes, root):
    for name, text, color, marker in (("standard", "standard parameterization", RED, "s"),
                                      ("ntk", "NTK parameterization", BLUE, "o")):
        norm = root.frobenius_norm.sel(parameterization=name)
        axes.errorbar(root.width.values, norm.mean("seed"), norm.std("seed", ddof=1), color=color, marker=marker,
                      label=text, **BARS)
    axes.set(yscale="log", xlabel="channels", ylabel="Frobenius norm", ylim=(10, 3e4), title="norm of the kernel")
    log_ticks(axes.xaxis, root.width.values)
    axes.legend(loc="upper left")


def draw_cnn_distance(axes, article):
    w, far = article.cnn_width.root.width.values, cnn_distances(article)
    axes.errorbar(w, far.mean(1), far.std(1, ddof=1), color=BLUE, marker="o", label="NTK parameterization", **BARS)
    axes.plot(w, far.mean(1)[-1] * np.sqrt(w[-1] / w), label=r"channels$^{-1/2}$", **GUIDE)
    axes.set(xlabel="channels", ylabel="relative distance", title="distance from infinite width")
    log_ticks(axes.xaxis, w)
    log_ticks(axes.yaxis, (0.05, 0.1, 0.2, 0.5, 1))
    axes.legend(loc="upper right")


CONFIGS = ("cnn", "cnn_width")
TABLES = {"cnn_layouts": cnn_layouts, "cnn_contractions": cnn_contractions, "cnn_width": cnn_width}
FIGURES = {"cnn": figure_cnn}
