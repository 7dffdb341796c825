"""The chapter on neural ODEs."""
import numpy as np

from figures import BLUE, GREY, ORANGE, PINK, SKY, plt
from pages.page import STATED, apart, log_ticks, percent, table

HORIZON = 1.5


def ode_inputs():
    return np.linspace(-2, 2, 21)


def chapters_ode_kernel(x):
    t = HORIZON * np.tanh(x)
    return np.outer(t, t)


def ode_kernel(theta, x):
    t = HORIZON * np.tanh(np.arcsinh(np.exp(theta * HORIZON) * np.sinh(x)))
    return np.outer(t, t)


def chapters_ode_error(theta):
    return apart(chapters_ode_kernel(ode_inputs()), ode_kernel(theta, ode_inputs()))


def thetas(chapter):
    return {round(float(np.sqrt(v)), 6): v for v in chapter.neural_ode.root.variance.values}


def ode_error(chapter, theta, integrator, steps):
    kernel = chapter.neural_ode.gram(variance=thetas(chapter)[theta], integrator=integrator, steps=steps)
    return apart(kernel, ode_kernel(theta, ode_inputs()))


def neural_ode(chapter):
    rows = [[f"{theta:g}", percent(chapters_ode_error(theta)),
             *(percent(ode_error(chapter, theta, "euler", n)) for n in (1, 32)),
             *(percent(ode_error(chapter, theta, "rk4", n)) for n in (1, 4, 32))] for theta in thetas(chapter)]
    return table(["θ", "chapter's form is off by", "Euler, 1 step", "32 steps", "Runge-Kutta, 1 step", "4 steps",
                  "32 steps"], *rows)


def layers_gram(chapter, name):
    return chapter.neural_ode_layers.gram(middle=name)


def layers_errors(chapter, integrator):
    """Against 32 steps of Runge-Kutta: (steps, errors)."""
    names = [str(n) for n in chapter.neural_ode_layers.root.middle.values]
    steps = [int(n.split("_")[1]) for n in names if n.startswith(integrator)]
    finest = layers_gram(chapter, "rk4_32")
    errors = {n: apart(layers_gram(chapter, f"{integrator}_{n}"), finest) for n in steps}
    errors.pop(32 if integrator == "rk4" else None, None)
    return np.array(list(errors)), np.array(list(errors.values()))


def neural_ode_layers(chapter):
    euler, rk4 = (dict(zip(*layers_errors(chapter, i))) for i in ("euler", "rk4"))
    rows = [[str(n), percent(euler[n]), percent(rk4[n]) if n in rk4 else ""] for n in euler]
    blocks = apart(layers_gram(chapter, "blocks_8"), layers_gram(chapter, "euler_8"))
    rows.append(["8 residual blocks of shared weights, against 8 steps of Euler", percent(blocks), ""])
    return table(["steps", "Euler", "Runge-Kutta"], *rows)


def figure_neural_ode(chapter):
    figure, panels = plt.subplots(1, 3, figsize=(10.2, 3.4))
    draw_ode_kernel(panels[0], chapter)
    draw_ode_errors(panels[1], chapter)
    draw_layers_errors(panels[2], chapter)
    return figure


def draw_ode_kernel(axes, chapter):
    x, fine = ode_inputs(), np.linspace(-2, 2, 201)
    axes.plot(fine, np.diag(chapters_ode_kernel(fine)), label="chapter, any θ", **STATED)
    for theta, color in ((0.2, SKY), (0.8, BLUE), (1.6, PINK)):
        kernel = chapter.neural_ode.gram(variance=thetas(chapter)[theta], integrator="rk4", steps=32)
        axes.plot(fine, np.diag(ode_kernel(theta, fine)), color=color)
        axes.plot(x, np.diag(kernel), "o", color=color, markersize=3.5, label=f"θ = {theta}")
    axes.set(xlabel="x", ylabel="K(x, x)", title=r"$y' = \theta\,\tanh y$ up to T = 1.5", ylim=(0, 3.7))
    axes.legend(loc="upper center", ncols=2, fontsize=7.5)


def draw_orders(axes, steps, first, orders):
    for error, order in zip(first, orders):
        axes.plot(steps, error * (steps / steps[-1])**-order, color=GREY, linewidth=0.9, linestyle=":",
                  label=f"steps$^{{-{order}}}$")


def draw_ode_errors(axes, chapter):
    steps, theta = chapter.neural_ode.root.steps.values.astype(float), 0.8
    axes.axhline(chapters_ode_error(theta), label="chapter", **STATED)
    last = []
    for integrator, text, color, marker in (("euler", "Euler", ORANGE, "s"), ("rk4", "Runge-Kutta", BLUE, "o")):
        errors = [ode_error(chapter, theta, integrator, int(n)) for n in steps]
        axes.plot(steps, errors, marker=marker, color=color, markersize=4, label=text)
        last.append(errors[-1])
    draw_orders(axes, steps, last, (1, 4))
    axes.set(yscale="log", xlabel="steps", ylabel="relative error of the kernel", title="one parameter, θ = 0.8")
    log_ticks(axes.xaxis, steps)
    axes.legend(loc="lower left", fontsize=7.5)


def draw_layers_errors(axes, chapter):
    for integrator, text, color, marker, order in (("euler", "Euler, residual blocks", ORANGE, "s", 1),
                                                   ("rk4", "Runge-Kutta", BLUE, "o", 4)):
        steps, errors = layers_errors(chapter, integrator)
        axes.plot(steps, errors, marker=marker, color=color, markersize=4, label=text)
        draw_orders(axes, steps.astype(float), [errors[-1]], [order])
    axes.set(yscale="log", xlabel="steps", ylabel="distance from 32 steps of Runge-Kutta", ylim=(1e-11, 0.2),
             title=r"64 units, $y' = \tanh(yW + b)$")
    log_ticks(axes.xaxis, (1, 2, 4, 8, 16, 32))
    axes.legend(loc="lower left", fontsize=7.5)


CONFIGS = ("neural_ode", "neural_ode_layers")
TABLES = {"neural_ode": neural_ode, "neural_ode_layers": neural_ode_layers}
FIGURES = {"neural_ode": figure_neural_ode}
