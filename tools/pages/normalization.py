"""The chapter on normalisation."""
import numpy as np

import pictures
from figures import BLUE, GREEN, GREY, ORANGE, RED, SKY, plt
from pages.page import BARS, GUIDE, apart, log_ticks, percent, rank, table

NORMS = (("none", "no norm"), ("linear", "mean only; flatten"), ("linear_mean", "mean only; mean over positions"),
         ("relu", "mean only; relu, flatten"), ("instance", "mean and variance; relu, flatten"),
         ("layer", "layer norm; relu, flatten"), ("zeros", "mean only; relu, flatten; zeros at the border"),
         ("second", "mean only behind a second convolution; relu, flatten"))


def centred_patches(images):
    """[sample][position][3 x 3 x channel] with cyclic padding, less the mean over positions."""
    around = [np.roll(images, (1 - i, 1 - j), (1, 2)) for i in range(3) for j in range(3)]
    patches = np.stack(around, axis=3).reshape(len(images), 64, -1)
    return patches - patches.mean(axis=1, keepdims=True)


def pairs():
    return pictures.datasets()["pairs"] / 255


def chapters_norm_kernel():
    """Inner products of centred patches, position by position, with the multipliers of a wide linear readout."""
    patches = centred_patches(pairs())
    return np.einsum("isp,jsp->ij", patches, patches) * (2 / 27) * (2 / 64)


def norm_kernel(chapter, name, width, seed):
    """sum_ss' <p_s, p'_s'> <d_s, d'_s'> from the weights (MATH H4)."""
    weights = chapter.normalization.weights(norm=name, width=width, seed=seed)
    (s_w, w), (s_v, v) = weights["conv0/W"], weights["dense0/W"]
    patches = centred_patches(pairs())
    hidden = s_w * patches @ w.reshape(27, -1)
    slope = hidden > 0 if name == "relu" else np.ones_like(hidden)
    delta = s_v * v[:, 0].reshape(64, -1) * slope
    gradient = s_w * np.einsum("isp,isq->ipq", patches, delta).reshape(len(patches), -1)
    return gradient @ gradient.T


def norm_distances(chapter, name):
    """[width][seed] from the chapter's formula times the factor that fits best."""
    results, wanted = chapter.normalization, chapters_norm_kernel()

    def distance(kernel):
        fitted = wanted * np.sum(wanted * kernel) / np.sum(wanted**2)
        return apart(fitted, kernel)
    return np.array([[distance(results.gram(norm=name, width=w, seed=s)) for s in results.root.seed.values]
                     for w in results.root.width.values])


def normalization(chapter):
    results = chapter.normalization
    width = results.root.width.values[-1]
    exact = {name: apart(norm_kernel(chapter, name, width, 0), results.gram(norm=name, width=width, seed=0))
             for name in ("linear", "relu")}
    far = {name: f"{100 * norm_distances(chapter, name)[-1].mean():.0f} %"
           for name in ("linear", "relu", "instance", "layer")}
    rows = []
    for name, text in NORMS:
        point = results.point(norm=name, width=width, seed=0)
        nothing, trace = name == "linear_mean", float(point["/"].trace)
        bias = tensor_trace(point, "conv1/b" if name == "second" else "conv0/b")
        rows.append([text, "0" if nothing else trace, "0" if nothing or bias < 1e-25 * trace else bias,
                     "0" if nothing else str(rank(point["spectrum"].eigenvalue.values)),
                     "" if nothing else f"{2 * float(point['dynamics'].train_loss_infinity):.3g}", far.get(name, ""),
                     percent(exact[name]) if name in exact else ""])
    return table(["norm; what follows", "trace", "of it the bias", "rank of 32", "error, t = ∞",
                  "distance from the chapter's form", "from ⟨p, p'⟩⟨d, d'⟩"], *rows)


def tensor_trace(point, name):
    kernel = point["kernel"]
    return float(kernel.tensor_trace.values[list(kernel.tensor.values).index(name)])


def batches(chapter, mode):
    """{size of the batch: kernel of the first 8 samples}."""
    results = chapter.batch_norm
    return {int(n): results.gram(count=n, mode=mode)[:8, :8] for n in results.root["count"].values}


def batch_changes(chapter, mode):
    """Distance of the kernel of the first 8 samples from that in the largest batch, of all smaller ones."""
    kernels = batches(chapter, mode)
    largest = kernels.pop(max(kernels))
    return {n: apart(kernel, largest) for n, kernel in kernels.items()}


def batch_norm(chapter):
    rows = []
    for n, train in batches(chapter, "train").items():
        bias = tensor_trace(chapter.batch_norm.point(count=n, mode="train"), "hidden/b")
        rows.append([str(n), train[0, 0], train[0, 1], "0" if bias < 1e-20 else bias,
                     *batches(chapter, "eval")[n][0, :2]])
    return table(["batch", "train: Θ(x₁, x₁)", "Θ(x₁, x₂)", "trace of the bias", "eval: Θ(x₁, x₁)", "Θ(x₁, x₂)"],
                 *rows)


def figure_normalization(chapter):
    figure, panels = plt.subplots(1, 3, figsize=(11.4, 3.5))
    draw_null_modes(panels[0], chapter.normalization)
    draw_norm_distances(panels[1], chapter)
    draw_batches(panels[2], chapter)
    return figure


def draw_null_modes(axes, results):
    width = results.root.width.values[-1]
    for name, text, color, marker in (("none", "no norm", GREY, "o"),
                                      ("zeros", "mean only, zeros at the border", GREEN, "^"),
                                      ("second", "mean only, second convolution", SKY, "v"),
                                      ("relu", "mean only, cyclic: rank 16", BLUE, "s"),
                                      ("instance", "mean and variance: rank 16", RED, "x")):
        value = results.point(norm=name, width=width, seed=0)["spectrum"].eigenvalue.values
        shown = np.maximum(value / value[0], 1e-17)
        axes.plot(np.arange(1, 33), shown, marker, color=color, markersize=4, label=text)
    axes.set(yscale="log", ylim=(3e-18, 1e2), xlabel="mode", ylabel=r"eigenvalue $\lambda_k / \lambda_1$",
             title="16 pictures and the same, brighter", xticks=[1, 8, 16, 24, 32])
    axes.legend(loc="center left", fontsize=8)


def draw_norm_distances(axes, chapter):
    width = chapter.normalization.root.width.values
    for name, text, color, marker in (("layer", "layer norm, relu", ORANGE, "^"),
                                      ("instance", "mean and variance, relu", RED, "x"),
                                      ("relu", "mean only, relu", BLUE, "s"),
                                      ("linear", "mean only, linear", GREEN, "o")):
        far = norm_distances(chapter, name)
        axes.errorbar(width, far.mean(1), far.std(1, ddof=1), color=color, marker=marker, label=text, **BARS)
    axes.plot(width, far.mean(1)[-1] * np.sqrt(width[-1] / width), label=r"channels$^{-1/2}$", **GUIDE)
    axes.set(xlabel="channels", ylabel="relative distance, best factor", ylim=(0.01, 2),
             title="distance from the chapter's kernel")
    log_ticks(axes.xaxis, width)
    log_ticks(axes.yaxis, (0.01, 0.03, 0.1, 0.3, 1))
    axes.legend(loc="lower left", fontsize=7.5)


def draw_batches(axes, chapter):
    for mode, text, color, marker in (("train", "train", RED, "s"), ("eval", "eval", BLUE, "o")):
        changes = batch_changes(chapter, mode)
        axes.plot(list(changes), list(changes.values()), marker=marker, color=color, markersize=4, label=text)
    axes.set(xlabel="samples in the batch", ylabel="distance from batch 128, relative", ylim=(-0.03, None),
             title="batch norm, the same 8 samples")
    log_ticks(axes.xaxis, changes)
    axes.legend(loc="upper right")


CONFIGS = ("normalization", "batch_norm")
TABLES = {"normalization": normalization, "batch_norm": batch_norm}
FIGURES = {"normalization": figure_normalization}
