"""The figures of a results directory, on a wide page or on a phone's."""
import textwrap

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import (FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter,
                               NullLocator, PercentFormatter)

from results import find_group, label
from scalars import find

# Okabe and Ito's palette: distinguishable with every kind of colour vision.
BLUE, ORANGE, GREEN, PINK, SKY, RED, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8A8A8A")
CATEGORIES = [BLUE, RED, GREEN, ORANGE, PINK, SKY, "#000000"]
STYLE = {
    "figure.constrained_layout.use": True, "figure.dpi": 100, "savefig.dpi": 200,
    "figure.constrained_layout.w_pad": 0.08, "figure.constrained_layout.h_pad": 0.06,
    "font.size": 9.5, "axes.titlesize": 10.5, "axes.labelsize": 9.5, "legend.fontsize": 8.5,
    "figure.titlesize": 12, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.color": "#E4E4E4", "grid.linewidth": 0.6, "axes.axisbelow": True,
    "legend.frameon": False, "lines.linewidth": 1.5, "pdf.fonttype": 42, "image.cmap": "viridis",
}


NARROW = 4.2  # inches: 9.5 points are legible on a phone


def ordered_colors(count):
    return plt.get_cmap("viridis")(np.linspace(0.0, 0.88, max(count, 2)))[:count]


class Page:
    """Where one figure goes: panels side by side under a title, or all in one column of a phone's width
    with the title left to the page."""

    def __init__(self, results, narrow=False, titled=True):
        self.results, self.narrow, self.titled = results, narrow, titled
        self.heading = self.detail = ""

    def columns(self, count, most):
        return 1 if self.narrow else min(most, count)

    def panels(self, count, most, size, **share):
        """Figure and axes of `count` panels, at most `most` side by side, each of `size` inches."""
        columns = self.columns(count, most)
        rows = -(-count // columns)
        width, height = (NARROW, size[1] * (1.0 if size[0] <= NARROW else NARROW / size[0])) if self.narrow else size
        figure, axes = plt.subplots(rows, columns, figsize=(width * columns, height * rows + 0.5 * self.titled),
                                    squeeze=False, **share)
        for unused in axes.flat[count:]:
            unused.set_visible(False)
        return figure, list(axes.flat[:count])

    def title(self, figure, what, detail=""):
        self.heading, self.detail = what, detail
        if self.titled:
            width = int(10.5 * figure.get_figwidth())
            lines = textwrap.wrap(f"{self.results.name}: {what}", width) + textwrap.wrap(detail, width)
            figure.suptitle("\n".join(lines))

    def edge(self, panels, most):
        """The panel that a legend of all goes beside, or, in one column, below."""
        return panels[-1] if self.narrow else panels[self.columns(len(panels), most) - 1]

    def legend_outside(self, axes, columns=1):
        if self.narrow:
            axes.legend(loc="upper left", bbox_to_anchor=(0, -0.22), ncols=2)
        else:
            axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), ncols=columns)


def joined(*notes):
    return ", ".join(note for note in notes if note)


def time_axis(axes, group):
    rate = group.attrs.get("learning_rate")
    axes.set_xscale("log")
    axes.set_xlabel("training time, in steps" + (f" of learning rate {rate:.3g}" if rate is not None else ""))
    axes.xaxis.set_major_locator(LogLocator(numticks=7))
    axes.xaxis.set_minor_locator(NullLocator())


def positive_times(group):
    """Indices of the times that a logarithmic axis can show."""
    time = group["time"].values
    return time > 0 if time.ndim == 1 else None


# ---------------------------------------------------------------------------------- one point


def draw_kernel(page, path, text):
    kernels = [v["kernel"] for v in page.results.variants(path) if "preview" in v.get("kernel", ())]
    if not kernels:
        return None
    several = len(kernels) > 1
    figure, panels = page.panels(len(kernels), 3, (4.6, 3.9) if several else (5.8, 4.8))
    for axes, kernel in zip(panels, kernels):
        draw_preview(figure, axes, kernel)
        if several:
            axes.set_title(kernel_name(kernel))
    order = ", sorted by class" if shown_classes(kernels[0]) is not None else ""
    page.title(figure, f"{'kernels' if several else kernel_name(kernels[0])} on {len(kernels[0].preview)} "
               f"training samples{order}", text)
    return figure


def kernel_name(kernel):
    """Of a group `kernel`; None: the one that there is."""
    quantity = kernel.attrs.get("quantity", "ntk") if kernel is not None else ""
    return {"ntk": "NTK", "nngp": "NNGP"}.get(quantity, f"{quantity} kernel".strip())


def draw_preview(figure, axes, kernel):
    image = axes.imshow(kernel.preview.values, interpolation="nearest", aspect="equal")
    axes.grid(False)
    for side in (axes.xaxis, axes.yaxis):
        side.set_major_locator(MaxNLocator(integer=True))
    classes = shown_classes(kernel)
    axes.set(xlabel="training sample", ylabel="training sample")
    if classes is not None:
        mark_classes(axes, classes)
    bar = figure.colorbar(image, ax=axes, shrink=0.9, pad=0.02)
    letter = r"\Theta" if kernel.attrs.get("quantity", "ntk") == "ntk" else "K"
    bar.set_label(f"{kernel_name(kernel)} ${letter}(x_i, x_j)$")
    bar.outline.set_visible(False)


def shown_classes(kernel):
    """Class of every shown sample, None for regression."""
    classes = kernel["preview_label"].values if "preview_label" in kernel else np.array([])
    return classes if len(classes) and classes.min() >= 0 else None


def mark_classes(axes, classes):
    edges = np.flatnonzero(np.diff(classes)) + 0.5
    for edge in edges:
        axes.axhline(edge, color="white", linewidth=0.5, alpha=0.8)
        axes.axvline(edge, color="white", linewidth=0.5, alpha=0.8)
    bounds = np.concatenate([[-0.5], edges, [len(classes) - 0.5]])
    middle = (bounds[1:] + bounds[:-1]) / 2
    names = [str(classes[int(np.ceil(b))]) for b in bounds[:-1]]
    axes.set_xticks(middle, names)
    axes.set_yticks(middle, names)
    axes.tick_params(length=0)
    axes.set(xlabel="class of the training sample", ylabel="class of the training sample")


def draw_spectrum(page, path, text):
    spectra = [(kernel_name(v.get("kernel")), v["spectrum"]) for v in page.results.variants(path)
               if "eigenvalue" in v.get("spectrum", ())]
    if not spectra:
        return None
    several = len(spectra) > 1
    targets = ["target_coefficient" in spectrum for _, spectrum in spectra]
    figure, panels = page.panels(1 + any(targets), 2, (4.6, 3.5))
    for k, ((name, spectrum), there) in enumerate(zip(spectra, targets)):
        eigenvalue = spectrum.eigenvalue.values
        more = {"label": name, "color": CATEGORIES[k], "linestyle": ("-", "--", ":")[k % 3]} if several else {}
        draw_eigenvalues(panels[0], eigenvalue, spectrum.attrs.get("cutoff"), **more)
        if there:
            draw_target_power(panels[1], spectrum.target_coefficient.values.reshape(len(eigenvalue), -1), **more)
    if several:
        panels[0].set_title("modes above rounding")
        for axes in panels:
            axes.legend()
    names = ", ".join(name for name, _ in spectra)
    page.title(figure, f"spectra of {names}" if several else f"spectrum of the {names}", text)
    return figure


def draw_eigenvalues(axes, eigenvalue, cutoff, color=BLUE, **more):
    mode = np.arange(1, len(eigenvalue) + 1)
    alive = eigenvalue > (cutoff if cutoff is not None else 0)
    few = alive.sum() <= 100
    axes.plot(mode[alive], eigenvalue[alive], color=color, marker="." if few else None, markersize=3, **more)
    axes.set(xscale="log" if alive.sum() >= 10 else "linear", yscale="log", xlabel="mode",
             ylabel=r"eigenvalue $\lambda_k$", title=f"{alive.sum()} of {len(mode)} modes above rounding")
    if alive.sum() < 10:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_minor_formatter(NullFormatter())


def draw_target_power(axes, coefficient, color=RED, **more):
    power = (coefficient**2).sum(axis=1)
    share = np.cumsum(power) / max(power.sum(), np.finfo(float).tiny)
    axes.plot(np.arange(1, len(share) + 1), share, color=color, **more)
    axes.set(xscale="log", xlabel="number of leading modes", ylim=(0, 1.03),
             ylabel="share of the squared targets", title="targets in the leading modes")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.xaxis.set_minor_formatter(NullFormatter())


def draw_trajectories(page, path, text):
    courses = [(v, find_group(v, "dynamics")) for v in page.results.variants(path)]
    courses = [(v, course) for v, course in courses if course is not None and "prediction" in course]
    if not courses:
        return None
    first, several = courses[0][1], len(courses) > 1
    if first.sizes["output"] > 1:
        count = min(first.sizes["shown"], 2 if several else 4)
        figure, panels = page.panels(count * len(courses), count if several else 2, (4.6, 3.1), sharex=True, sharey=True)
        for k, (groups, course) in enumerate(courses):
            draw_outputs(panels[k * count:(k + 1) * count], course, groups.get("data"), name_if(several, groups))
        finish_trajectories(panels, page.columns(len(panels), count if several else 2), first)
    else:
        figure, panels = page.panels(len(courses), 3, (3.9 if several else 6.4, 3.2), sharey=True)
        for axes, (groups, course) in zip(panels, courses):
            draw_samples(axes, course)
            axes.set_title(name_if(several, groups))
        page.legend_outside(page.edge(panels, 3), 1 + first.sizes["shown"] // 16)
    page.title(figure, "predictions over training time", joined(first.attrs.get("label"), text))
    return figure


def name_if(several, groups):
    """What a panel is called where there is one for each kernel."""
    return kernel_name(groups.get("kernel")) if several else ""


def shown_sample(dynamics, k):
    """(set, position) of a shown sample."""
    kind = dynamics.get("shown_set")
    return (str(kind.values[k]) if kind is not None else "test"), int(dynamics["shown"].values[k])


def shown_class(dynamics, data, k):
    which, position = shown_sample(dynamics, k)
    name = "label" if which == "train" else "test_label"
    if data is None or name not in data or position >= data[name].size:
        return -1
    return int(data[name].values[position])


def draw_outputs(panels, dynamics, data, kernel):
    """One panel a sample: the output of its class, the strongest other one, the rest in grey."""
    keep = positive_times(dynamics)
    time = dynamics["time"].values[keep]
    for k, axes in enumerate(panels):
        prediction = dynamics.prediction.values[keep, k]
        final = dynamics.prediction_infinity.values[k] if "prediction_infinity" in dynamics else prediction[-1]
        true = shown_class(dynamics, data, k)
        others = [o for o in range(prediction.shape[1]) if o != true]
        rival = max(others, key=lambda o: final[o])
        for o in others:
            axes.plot(time, prediction[:, o], color="#B5B5B5", linewidth=0.9)
        axes.plot([], [], color="#B5B5B5", linewidth=0.9, label="other classes")
        axes.plot(time, prediction[:, rival], color=RED, label=f"class {rival}, strongest other")
        if true >= 0:
            axes.plot(time, prediction[:, true], color=BLUE, linewidth=2.2, label=f"class {true}, the true one")
        which, position = shown_sample(dynamics, k)
        right = true < 0 or final[true] >= final[rival]
        axes.set_title(joined(kernel, f"{which} sample {position}" + ("" if right else " (misclassified)")))
        axes.legend(loc="upper left")


def finish_trajectories(panels, columns, dynamics):
    """Labels at the edges of the page, and room for the legends."""
    for k, axes in enumerate(panels):
        time_axis(axes, dynamics)
        if k + columns < len(panels):
            axes.set_xlabel("")
        if k % columns == 0:
            axes.set_ylabel("prediction")
    lowest, highest = panels[0].get_ylim()
    panels[0].set_ylim(lowest, highest + 0.35 * (highest - lowest))


def draw_samples(axes, dynamics):
    """One output: one line a sample."""
    keep = positive_times(dynamics)
    time = dynamics["time"].values[keep]
    count = dynamics.sizes["shown"]
    colors = CATEGORIES if count <= len(CATEGORIES) else list(ordered_colors(count))
    for k in range(count):
        which, position = shown_sample(dynamics, k)
        axes.plot(time, dynamics.prediction.values[keep, k, 0], color=colors[k],
                  label=f"{which} sample {position}")
    axes.set_ylabel("prediction")
    time_axis(axes, dynamics)


def draw_risk(page, path, text):
    variants = page.results.variants(path)
    kinds = {"effective dimension": ("effective_dimension", draw_dimension), "risk": ("fixed_design_risk", draw_bias_variance)}
    names = [name for name, (group, _) in kinds.items() if find_group(variants[0], group) is not None]
    variants = [v for v in variants if all(find_group(v, kinds[name][0]) is not None for name in names)]
    if not names:
        return None
    figure, panels = page.panels(len(names) * len(variants), len(names), (4.6, 3.5))
    for k, panel in enumerate(panels):
        groups, (group, draw) = variants[k // len(names)], kinds[names[k % len(names)]]
        draw(panel, find_group(groups, group), find_group(groups, "effective_dimension"))
        panel.set_title(": ".join(part for part in (name_if(len(variants) > 1, groups), panel.get_title()) if part))
    page.title(figure, f"{' and '.join(names)} against the ridge", text)
    return figure


def draw_dimension(axes, group, _):
    x, text = ridge_values(group, group)
    axes.plot(x, group.df1.values, color=BLUE, label=r"$\mathrm{df}_1$ (effective dimension)")
    axes.plot(x, group.df2.values, color=RED, linestyle="--", label=r"$\mathrm{df}_2$")
    axes.set(xscale="log", yscale="log", xlabel=text, ylabel="effective dimension",
             title="effective dimension")
    axes.legend()


def ridge_values(group, dimension):
    """Ridges relative to trace/n where the file has them (same grid), else absolute."""
    if "ridge_relative" in group:
        return group.ridge_relative.values, r"ridge $\mu$, in units of tr$\,K/n$"
    if dimension is not None and np.array_equal(dimension.ridge.values, group.ridge.values):
        return dimension.ridge_relative.values, r"ridge $\mu$, in units of tr$\,K/n$"
    return group.ridge.values, r"ridge $\mu$"


def draw_bias_variance(axes, group, dimension):
    x, text = ridge_values(group, dimension)
    axes.plot(x, group.risk.values, color="black", linewidth=2, label="risk")
    axes.plot(x, group.bias2.values, color=BLUE, linestyle="--", label="squared bias")
    axes.plot(x, group.variance.values, color=RED, linestyle=":", linewidth=2, label="variance")
    best = int(np.nanargmin(group.risk.values))
    axes.plot(x[best], group.risk.values[best], "o", color="black", markersize=5)
    top = float(np.nanmax(group.risk.values))
    axes.set(xscale="log", yscale="log", xlabel=text, ylabel="fixed-design risk",
             title=f"bias and variance, best at {x[best]:.2g}", ylim=(top * 1e-5, top * 3))
    axes.legend(loc="center left")


# ------------------------------------------------------------------------------------- the sweep


def lines_along(results, axis):
    """(selection, name, colour) of every line that a figure draws for an axis."""
    if axis is None:
        return [({}, None, BLUE)]
    values = results.root[axis].values
    numeric = np.issubdtype(values.dtype, np.number)
    colors = ordered_colors(len(values)) if numeric or len(values) > len(CATEGORIES) else CATEGORIES
    return [({axis: k}, f"{v}", colors[k]) for k, v in enumerate(values)]


def draw_learning(page, path, text):
    results = page.results.by_quantity()
    dynamics = results.group("dynamics")
    if dynamics is None or "train_loss" not in dynamics:
        return None
    kinds = ["loss"] + ["accuracy"] * ("test_accuracy" in dynamics or "train_accuracy" in dynamics)
    axis = results.x_axis() or results.hue_axis()
    row = results.row_axis(axis)
    rows = [(dynamics.isel({row: k}), f"{label(row)} {v}") for k, v in enumerate(results.root[row].values)] if row else [
        (dynamics, "")]
    across = len(kinds) if len(kinds) > 1 else 3
    figure, panels = page.panels(len(kinds) * len(rows), across, (4.8, 3.5))
    for k, panel in enumerate(panels):
        (group, name), kind = rows[k // len(kinds)], kinds[k % len(kinds)]
        draw_curves(panel, results, group, kind, axis)
        finish_curves(panel, kind)
        panel.set_title(joined(name, kind))
    learning_legend(page, page.edge(panels, across), results, dynamics, axis)
    page.title(figure, "learning curves", joined(
        dynamics.attrs.get("label"), page.results.quantity_text() if row is None else "",
        results.fixed_text([axis, row]), "mean over seeds" if results.seeds() else ""))
    return figure


def finish_curves(axes, kind):
    axes.set_ylabel(kind)
    if kind == "loss":
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, 1.03)
        axes.yaxis.set_major_formatter(PercentFormatter(1))


SETS = {"test": "-", "validation": ":", "train": "--"}


def draw_curves(axes, results, dynamics, what, axis):
    lowest = dict.fromkeys(SETS, np.inf)
    for select, _, color in lines_along(results, axis):
        for which, style in SETS.items():
            name = f"{which}_{what}"
            if name not in dynamics:
                continue
            curve, spread, count = results.reduce(dynamics[name], [axis])
            time = results.reduce(dynamics["time"], [axis])[0]
            x, y, s = (v.isel({k: i for k, i in select.items() if k in v.dims}).values
                       for v in (time, curve, spread))
            keep = x > 0
            axes.plot(x[keep], y[keep], style, color=color)
            if which == "test" and count > 1:
                axes.fill_between(x[keep], (y - s)[keep], (y + s)[keep], color=color, alpha=0.15, linewidth=0)
            lowest[which] = np.nanmin(y, initial=lowest[which])
    time_axis(axes, dynamics)
    floor = lowest["test"] * 1e-4 if np.isfinite(lowest["test"]) else 1e-12  # training loss goes to 0
    if what == "loss" and floor > 0:
        axes.set_ylim(bottom=max(0.5 * min(lowest.values()), floor))


def learning_legend(page, axes, results, dynamics, axis):
    for which, style in SETS.items():
        if any(name.startswith(which + "_") for name in dynamics):
            axes.plot([], [], style, color="black", label=which)
    for _, name, color in lines_along(results, axis):
        if name is not None:
            axes.plot([], [], color=color, linewidth=3, label=f"{label(axis)} {name}")
    page.legend_outside(axes)


STUDY = [  # group, variable, title, logarithmic
    ("dynamics", "test_accuracy_infinity", "test accuracy, infinite time", False),
    ("dynamics", "test_loss_infinity", "test loss, infinite time", False),
    ("/", "lambda_max", r"largest eigenvalue $\lambda_1$", False),
    ("/", "effective_rank", "effective rank", False),
    ("/", "alignment", "kernel-target alignment", False),
    ("spread", "", "spread of the kernel over seeds", True),
    ("/", "condition_number", "condition number", True),
]


def study_rows(results, axis):
    """(data, title, logarithmic) of the panels: the first six that the sweep has."""
    rows = []
    for group, name, what, logarithmic in STUDY:
        found = [results.kernel_spread()] if group == "spread" else [d for _, d in find(results, group, name)]
        rows += [(data.where(np.isfinite(data)), what, logarithmic) for data in found
                 if data is not None and axis in data.dims and np.isfinite(data).any()]
    return rows[:6]


def draw_study(page, path, text):
    results = page.results.by_quantity()
    axis = results.x_axis()
    rows = study_rows(results, axis) if axis else []
    if not rows:
        return None
    figure, panels = page.panels(len(rows), 3, (3.5, 2.8))
    count = 1
    for panel, (data, what, logarithmic) in zip(panels, rows):
        count = max(count, draw_against(panel, results, data, axis, logarithmic))
        panel.set_title(what)
        if "accuracy" in what:
            panel.yaxis.set_major_formatter(PercentFormatter(1, decimals=1))
        if "spread" in what:
            panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            panel.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:g}%"))
            panel.yaxis.set_minor_locator(NullLocator())
    if results.hue_axis():
        panels[0].legend(title=label(results.hue_axis()))
    page.title(figure, f"{label(axis)} study", joined(
        "" if results.quantity_axis() else results.quantity_text(), results.fixed_text([axis, results.hue_axis()]),
        f"mean and standard deviation over {count} seeds" if count > 1 else ""))
    return figure


def draw_against(axes, results, data, axis, logarithmic):
    hue = results.hue_axis()
    mean, spread, count = results.reduce(data, [axis, hue])
    x = results.root[axis].values.astype(float)
    geometric = len(x) > 2 and x.min() > 0 and x.max() / x.min() >= 8
    lines = lines_along(results, hue)
    for k, (select, name, color) in enumerate(lines):
        shift = 0.03 * (k - (len(lines) - 1) / 2) # so that error bars do not hide each other
        where = x * 2**shift if geometric else x + shift * np.ptp(x) / len(x)
        marker = "osD^vP*"[k % 7]
        y, error = mean.isel(select).values, spread.isel(select).values
        axes.plot(where, y, color=color, marker=marker, markersize=4, linewidth=1.2, label=name)
        if count > 1:
            known = np.isfinite(y) & np.isfinite(error)  # points may be missing
            axes.errorbar(where[known], y[known], error[known], fmt="none", color=color, capsize=2.5, elinewidth=1.2)
    axes.set_xlabel(label(axis))
    if geometric:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(x))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    lowest, highest = np.nanmin(mean.values), np.nanmax(mean.values)
    if lowest > 0 and (logarithmic or highest > 30 * lowest):
        axes.set_yscale("log")
    return count


KINDS = {
    "kernel": (draw_kernel, "Large entries join samples that the network can hardly tell apart at "
               "initialisation; classes show as blocks on the diagonal."),
    "spectrum": (draw_spectrum, "A straight line is a power law, whose exponent sets how fast the loss falls with "
                 "more data. The targets are learned as fast as the modes that hold them."),
    "trajectories": (draw_trajectories, "Outputs on single samples under gradient descent; modes with large "
                     "eigenvalues are learned first."),
    "learning": (draw_learning, "Where test loss turns up, stopping there acts as a ridge of 1/(learning rate x "
                 "time)."),
    "risk": (draw_risk, "Ridge regression at the training inputs: the best ridge is where the risk is least."),
    "study": (draw_study, "How the kernel and what it learns change along the sweep."),
}


def caption(kind, results):
    """How a figure is read, for those who see it for the first time."""
    if kind == "study" and results.over_width_in_ntk():
        return f"{KINDS[kind][1]} They settle as width grows, with fluctuations falling like width^-1/2."
    return KINDS[kind][1]


def name_of(kind, results):
    return f"{results.x_axis()}_study" if kind == "study" else kind


def draw(kind, page, point):
    """A figure, laid out once for all formats; None if the results have nothing for it."""
    plt.rcParams.update(STYLE)
    figure = KINDS[kind][0](page, *point)
    if figure is not None:
        figure.get_layout_engine().execute(figure)
        figure.set_layout_engine("none")
    return figure
