"""The chapter on early stopping, initialisation and activations."""
import numpy as np

from figures import BLUE, GREEN, GREY, PINK, RED, SKY, plt
from pages.page import GUIDE, by_angle, log_ticks, rounding, table


def chapters_ridge(eigenvalue, time):
    return eigenvalue / np.expm1(np.minimum(eigenvalue * time, 700))


def stopping(chapter):
    """Times, and bias and risk of gradient flow relative to those of ridge 1 / time."""
    found = chapter.early_stopping.sweep["fixed_design_risk"]
    return (found.time.values, found.gf_bias2.values / found.bias2.values[::-1],
            found.gf_risk.values / found.risk.values[::-1])


def early_stopping(chapter):
    time, bias, risk = stopping(chapter)
    eigenvalue = chapter.early_stopping.sweep["spectrum"].eigenvalue.values
    rows = []
    for wanted in (0.01, 0.1, 1, 10, 100):
        k = int(np.argmin(np.abs(np.log(time / wanted))))
        first, last = (chapters_ridge(eigenvalue[mode], time[k]) for mode in (0, -1))
        rows.append([f"{wanted:g}", f"{1 / wanted:g}", "0" if first < 1e-12 else first, last, f"{bias[k]:.3f}",
                     f"{risk[k]:.3f}"])
    return table(["t", "ridge 1/t", "chapter's ridge, first mode", "last mode", "bias² of the flow / of ridge 1/t",
                  "risk, likewise"], *rows)


def he_by_xavier(chapter, quantity, parameterization, biases):
    found = chapter.initialization.root[quantity].sel(parameterization=parameterization, biases=biases)
    return (found.sel(weight_init="he_normal") / found.sel(weight_init="glorot_normal")).values


def initialization(chapter):
    def extent(values):
        low, high = f"{values.min():.3f}", f"{values.max():.3f}"
        return low if low == high else f"{low} to {high}"
    rows = []
    for p, text in (("ntk", "NTK"), ("standard", "standard")):
        for biases in ("without", "with"):
            ratios = (he_by_xavier(chapter, quantity, p, biases) for quantity in ("trace", "condition_number"))
            rows.append([text, biases, *map(extent, ratios)])
    return table(["parameterization", "biases", "trace, He / Xavier", "condition number, He / Xavier"], *rows)


ACTIVATIONS = (("relu", "relu", RED), ("gelu", "GELU", BLUE), ("tanh", "tanh", GREEN))


def cosine(kernel):
    norm = np.sqrt(np.diag(kernel))
    return kernel / np.outer(norm, norm)


def cosine_by_angle(chapter, name, biases="none", radius=1):
    """(angles from 0 to pi, K / sqrt(K K), the mean over the circle)."""
    mean = by_angle(cosine(chapter.activation.gram(activation=name, biases=biases, radius=radius)))
    return np.linspace(0, np.pi, len(mean)), mean


def smoothness(chapter, name):
    """q of 1 - K / K(x, x) ~ angle^q, from the two smallest angles."""
    angle, mean = cosine_by_angle(chapter, name)
    return np.log((1 - mean[2]) / (1 - mean[1])) / np.log(angle[2] / angle[1])


def activation(chapter):
    rows = []
    for name, text, _ in ACTIVATIONS:
        for biases, what in (("none", "none"), ("zero", "start at 0"), ("random", "N(0, 1)")):
            small, large = (chapter.activation.gram(activation=name, biases=biases, radius=r) for r in (1, 2.5))
            change = np.abs(cosine(large) - cosine(small)).max()
            rows.append([text, what, f"{np.trace(large) / np.trace(small):.4g}",
                         rounding(change) if change < 1e-12 else f"{change:.2f}",
                         f"{smoothness(chapter, name):.2f}" if biases == "none" else ""])
    return table(["activation", "biases", "K(2.5 x, 2.5 x) / K(x, x)", "largest change of the cosine",
                  "exponent at small angles"], *rows)


def figure_early_stopping(chapter):
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.3))
    draw_ridges(left, chapter)
    draw_risks(right, chapter)
    return figure


def draw_ridges(axes, chapter):
    value = chapter.early_stopping.sweep["spectrum"].eigenvalue.values
    for time, color in ((0.1, SKY), (1, BLUE), (10, PINK)):
        ridge = chapters_ridge(value, time)
        axes.plot(value[ridge > 1e-6], ridge[ridge > 1e-6], "o-", color=color, markersize=3.5, label=f"t = {time:g}")
        axes.axhline(1 / time, color=color, linewidth=0.9, linestyle=":")
    axes.set(xscale="log", yscale="log", ylim=(1e-4, 40), xlabel=r"eigenvalue $\lambda$",
             ylabel=r"ridge $\mu(\lambda, t)$", title="the ridge that each mode asks for")
    axes.legend(loc="lower left", title="dotted: 1/t", title_fontsize=8.5)


def draw_risks(axes, chapter):
    found = chapter.early_stopping.sweep["fixed_design_risk"]
    time = found.time.values
    axes.plot(time, found.gf_risk.values, color=BLUE, label="gradient flow until t")
    axes.plot(time, found.risk.values[::-1], color=RED, label="ridge 1/t")
    axes.plot(time, 1.686 * found.risk.values[::-1], label="1.69 times that", **GUIDE)
    axes.set(xscale="log", xlabel="t", ylabel="risk at the training inputs", title="early stopping and ridge")
    log_ticks(axes.yaxis, (0.03, 0.05, 0.1, 0.2, 0.5))
    axes.legend(loc="upper right")


def figure_activation(chapter):
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.3))
    for name, text, color in ACTIVATIONS:
        angle, mean = cosine_by_angle(chapter, name)
        left.plot(angle[1:33] * 180 / np.pi, 1 - mean[1:33], "o", color=color, markersize=3, label=text)
        for radius, line in ((1, "-"), (2.5, "--")):
            right.plot(angle * 180 / np.pi, cosine_by_angle(chapter, name, radius=radius)[1], line, color=color,
                       label=f"{text}, radius {radius:g}")
    start = np.array([2.8, 30])
    for height, power, line, text in ((0.0085, 1, ":", "angle"), (0.0015, 2, "--", "angle$^2$")):
        left.plot(start, height * (start / start[0])**power, color=GREY, linewidth=0.9, linestyle=line, label=text)
    left.set(yscale="log", xlabel="angle, degrees", ylabel=r"$1 - K(x, x')\, /\, K(x, x)$",
             title="near collinear samples")
    log_ticks(left.xaxis, (3, 10, 30, 90))
    left.legend(loc="lower right")
    right.set(xlabel="angle, degrees", ylabel="cosine of the kernel", title="no biases, two radii",
              xticks=range(0, 181, 30))
    right.legend(loc="lower left", fontsize=7.5)
    return figure


CONFIGS = ("early_stopping", "initialization", "activation")
TABLES = {"early_stopping": early_stopping, "initialization": initialization, "activation": activation}
FIGURES = {"early_stopping": figure_early_stopping, "activation": figure_activation}
