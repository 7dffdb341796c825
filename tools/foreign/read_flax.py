"""A module of flax.linen and its variables as a plain description: what export_jax.py translates, with or without
JAX.

As in read_torch.py: {"origin", "output", "nodes": [{"op", "path", "inputs", "options", "shape"}], "state", "frozen"}.
Modules of flax.linen are operations as a whole; what is between them is read from the jaxpr: sums, axes, pools.
Functions of single entries are told by their values, so jax.nn.gelu is one activation and not ten products.
"""
import contextlib
import dataclasses
import math

import flax.linen as nn
import jax
import numpy as np
from jax.extend import core

from foreign.translate import plain
from foreign.weights import Refusal, first_line

SAMPLES = 16  # enough for values by which a function is told
MARKER = core.Primitive("ntkrun_module")
MARKER.def_abstract_eval(lambda *inputs, call: call.result)
CALLS = ("jit", "pjit", "custom_jvp_call", "custom_vjp_call", "closed_call", "core_call", "remat", "checkpoint")
ELEMENTWISE = frozenset(
    "abs add clamp convert_element_type copy cos div eq erf erf_inv erfc exp exp2 expm1 ge gt integer_pow is_finite le "
    "log log1p logistic lt max min mul ne neg not and or pow rsqrt select_n sign sin sqrt square sub tan "
    "tanh".split())
VIEWS = ("slice", "reshape", "squeeze", "convert_element_type", "copy")  # each entry at most once


@dataclasses.dataclass(frozen=True, eq=False)
class ModuleCall:
    """A module that inputs go through: its attributes and the arguments of the call but arrays; names of those;
    shape and type of the result."""
    op: str
    path: str
    options: dict
    arrays: tuple
    result: object


def describe(module, variables, input_shape, **arguments):
    """arguments: of module.apply, as train=False."""
    for kind in (None, np.int32):  # numbers, else tokens
        x = np.zeros((SAMPLES, *input_shape), kind or float_of(variables))
        try:
            with nn.intercept_methods(intercept):
                jaxpr = jax.make_jaxpr(lambda v, x: module.apply(v, x, **arguments))(variables, x)
            break
        except ValueError as error:
            if kind is not None or "integer" not in str(error):
                raise as_refusal(module, error) from error
        except Exception as error:  # whatever a module may raise
            raise as_refusal(module, error) from error
    return Reader(module, variables, x, jaxpr).read()


def as_refusal(module, error):
    return Refusal("", type(module).__name__, f"it cannot be applied to {SAMPLES} samples "
                   f"({type(error).__name__}: {first_line(error)})", "give the arguments that make it "
                   "deterministic, as export(..., train=False), and its batch_stats")


def float_of(variables):
    kinds = {leaf.dtype for leaf in jax.tree_util.tree_leaves(variables)}
    return np.float64 if np.dtype(np.float64) in kinds else np.float32


# ---- modules as single operations ----------------------------------------------------------------

INSIDE = [False]


def intercept(call, args, keywords, context):
    """Of flax.linen's own modules with __call__ (and Embed.attend): a marker in the jaxpr instead of the inside."""
    module, method = context.module, context.method_name
    own = type(module).__module__.startswith("flax.linen") and not isinstance(module, nn.Sequential)
    if INSIDE[0] or not own or method not in ("__call__", "attend"):
        return call(*args, **keywords)
    with inside():
        result = call(*args, **keywords)
    named = {**dict(enumerate(args)), **keywords}
    arrays = {key: value for key, value in named.items() if hasattr(value, "shape")}
    options = {f.name: getattr(module, f.name, None) for f in dataclasses.fields(module) if f.name != "parent"}
    options.update((str(key), value) for key, value in named.items() if key not in arrays)
    name = "Attend" if method == "attend" else type(module).__name__
    return MARKER.bind(*arrays.values(), call=ModuleCall(name, ".".join(module.path), plain(options),
                                                         tuple(map(str, arrays)), result.aval))


@contextlib.contextmanager
def inside():
    INSIDE[0] = True
    try:
        yield
    finally:
        INSIDE[0] = False


# ---- the jaxpr between them ----------------------------------------------------------------------


@dataclasses.dataclass(eq=False)
class Value:
    """Of a variable.  known: where no sample is in it; source: the parameter that it is, or is a part of, or
    COMPUTED from parameters; else how it is made of others, and the last one before it that all of it goes
    through."""
    known: object = None
    source: str = None
    primitive: object = None
    params: dict = None
    inputs: tuple = ()
    parent: object = None
    place: int = 0
    shape: tuple = ()

    def name(self):
        return self.primitive.name if self.primitive else "input"

    def varying(self):
        return [v for v in self.inputs if v.known is None]


COMPUTED = "computed"


class Reader:
    def __init__(self, module, variables, x, jaxpr):
        self.module, self.x = module, x
        self.numbers, self.nodes, self.state, self.count = {}, [], {}, 0
        arguments = []
        for path, value in jax.tree_util.tree_flatten_with_path(variables)[0]:
            name = ".".join(str(getattr(part, "key", part)) for part in path)
            self.state[name] = np.asarray(value)
            arguments.append(Value(known=value, source=name))
        self.input = Value(shape=x.shape)
        self.results = self._walk(jaxpr.jaxpr, jaxpr.consts, [*arguments, self.input])

    def read(self):
        if len(self.results) != 1 or self.results[0].known is not None:
            raise Refusal("", type(self.module).__name__, "it does not return one array", "return the outputs alone")
        self._append(self.input, "input", "", [], {"tokens": self.x.dtype.kind == "i"})
        output = self._number(self.results[0])
        return {"origin": f"{type(self.module).__name__} of Flax, JAX {jax.__version__}", "output": output,
                "nodes": self.nodes, "state": self.state, "same": {},
                "frozen": [name for name in self.state if not name.startswith("params.")]}

    # Equations: those without samples are evaluated, those with samples kept.

    def _walk(self, jaxpr, constants, arguments):
        """Values of a jaxpr's results; calls within it as if they were written out."""
        values = dict(zip(jaxpr.invars, arguments))
        values.update((v, Value(known=c)) for v, c in zip(jaxpr.constvars, constants))
        for equation in jaxpr.eqns:
            inputs = [Value(known=v.val) if isinstance(v, core.Literal) else values[v] for v in equation.invars]
            inner = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
            if equation.primitive.name in CALLS and inner is not None:
                made = self._walk(getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()), inputs)
            elif all(v.known is not None for v in inputs):
                made = evaluate(equation, inputs)
            else:
                made = [self._depend(equation, v, inputs) for v in equation.outvars]
            values.update(zip(equation.outvars, made))
        return [Value(known=v.val) if isinstance(v, core.Literal) else values[v] for v in jaxpr.outvars]

    def _depend(self, equation, variable, inputs):
        self.count += 1
        ways = {v for v in inputs if v.known is None}
        while len(ways) > 1:
            last = max(ways, key=lambda v: v.place)
            ways = ways - {last} | {last.parent}
        return Value(None, None, equation.primitive, equation.params, tuple(inputs), ways.pop(), self.count,
                     variable.aval.shape)

    # Operations, from the result back.

    def _number(self, value):
        """Of the node that gives the value."""
        if value not in self.numbers:
            self._write(value)
        return self.numbers[value]

    def _write(self, value):
        row, source = activation_of(value)
        if row is not None:
            self._append(value, "activation", value.name(), [source], {"row": row})
            return
        method = getattr(self, f"_write_{value.name()}", None)
        if method is None:
            self._unknown(value)
        else:
            method(value)

    def _unknown(self, value):
        """What export_jax.py will refuse."""
        near = next((v.params["call"].path for v in ancestors(value) if v.primitive is MARKER), "the input")
        self._append(value, value.name(), f"behind {near}", [value.parent], {})

    def _append(self, value, op, path, sources, options):
        inputs = [self._number(v) for v in sources]
        self.numbers[value] = len(self.nodes)
        self.nodes.append({"op": op, "path": path, "inputs": inputs, "options": plain(options),
                           "shape": list(value.shape)})

    def _write_ntkrun_module(self, value):
        call = value.params["call"]
        constants = {name: {"array": self._keep(v)} for name, v in zip(call.arrays, value.inputs)
                     if v.known is not None}
        self._append(value, call.op, call.path, value.varying(), {**call.options, **constants})

    def _write_add(self, value):
        first, second = value.inputs
        if len(value.varying()) == 2:
            self._append(value, "add", "add", [first, second], {})
            return
        constant = second if first.known is None else first
        self._append(value, "add_array", "add", value.varying(), {"array": self._keep(constant)})

    def _keep(self, value):
        """Name of an array in the state."""
        if value.source == COMPUTED:
            raise Refusal("", "array", "it is computed from parameters", "make the result a parameter")
        known, name = np.asarray(value.known), value.source or f"constant{len(self.state)}"
        if name not in self.state or self.state[name].shape != known.shape:
            name = name if value.source is None else f"{name}:{len(self.state)}"
            self.state[name] = known
        return name

    def _write_sub(self, value):
        self._append(value, "sub", "sub", value.varying(), {})

    def _write_mul(self, value):
        self._factor(value, lambda c: c)

    def _write_div(self, value):
        if self._is_mean_of_windows(value):
            pool = value.inputs[0]
            self._append(value, "avg_pool", "avg_pool", pool.inputs[:1], {**windows(pool), "count_padding": False})
            return
        self._factor(value, lambda c: 1 / c)

    def _factor(self, value, number):
        constants = [v for v in value.inputs if v.known is not None]
        if len(constants) != 1 or np.size(constants[0].known) != 1 or constants[0].source or (
                value.name() == "div" and value.inputs[0].known is not None):
            self._unknown(value)
        else:
            self._append(value, "factor", value.name(), value.varying(),
                         {"factor": number(shortest(constants[0].known))})

    def _is_mean_of_windows(self, value):
        """A sum over windows by the cells of the image in each."""
        pool, cells = value.inputs
        if pool.known is not None or cells.known is None or pool.name() != "reduce_window_sum":
            return False
        ones = pool.primitive.bind(np.ones(pool.inputs[0].shape, self.x.dtype), **pool.params)
        return np.ndim(cells.known) > 0 and np.array_equal(np.broadcast_to(cells.known, ones.shape), ones)

    def _write_reduce_sum(self, value):
        self._append(value, "reduce_sum", "sum", value.inputs, {"axes": value.params["axes"]})

    def _write_reduce_window_sum(self, value):
        self._append(value, "sum_pool", "sum_pool", value.varying(), windows(value))

    def _write_reduce_window_max(self, value):
        self._append(value, "max_pool", "max_pool", value.varying(), windows(value))

    def _write_reshape(self, value):
        self._append(value, "reshape", value.name(), value.varying(), {})

    def _write_squeeze(self, value):
        part = value.inputs[0]
        if is_last_position(part):
            self._append(value, "last_position", "last_position", part.inputs[:1], {})
        else:
            self._write_reshape(value)

    def _write_transpose(self, value):
        self._append(value, "permute", "transpose", value.inputs, {"axes": value.params["permutation"]})


def is_last_position(part):
    """x[:, -1:], in older versions of JAX a dynamic slice."""
    if part.name() not in ("slice", "dynamic_slice"):
        return False
    size = part.inputs[0].shape
    starts = part.params.get("start_indices") or [int(v.known) for v in part.inputs[1:]]
    return list(starts) == [0, size[1] - 1, *[0] * (len(size) - 2)] and part.shape == (size[0], 1, *size[2:])


def ancestors(value):
    while value is not None:
        yield value
        value = value.parent


def evaluate(equation, inputs):
    """Results where no sample is in the inputs."""
    made = equation.primitive.bind(*(v.known for v in inputs), **equation.params)
    made = made if equation.primitive.multiple_results else [made]
    sources = {v.source for v in inputs if v.source}
    kept = len(sources) == 1 and equation.primitive.name in VIEWS
    source = None if not sources else sources.pop() if kept else COMPUTED
    return [Value(known=m, source=source) for m in made]


def windows(value):
    """Of a pool; the axes of samples and channels are not in its windows."""
    sizes, strides, padding = (value.params[key] for key in ("window_dimensions", "window_strides", "padding"))
    dilated = {*value.params["base_dilation"], *value.params["window_dilation"]} != {1}
    if dilated or (sizes[0], sizes[-1], strides[0], strides[-1]) != (1, 1, 1, 1):
        raise Refusal("", value.name(), "its windows are dilated or reach over samples or channels",
                      "nn.max_pool or nn.avg_pool of images (samples, h, w, channels)")
    return {"window": sizes[1:-1], "stride": strides[1:-1], "padding": padding[1:-1]}


# ---- functions of single entries -----------------------------------------------------------------


def activation_of(value):
    """(row of ntkrun's activations, value that it acts on), or (None, None)."""
    source = value
    while source.primitive is not None and source.name() in ELEMENTWISE:
        source = source.parent
        row = recognise(source, value)
        if row is not None:
            return row, source
    return None, None


def recognise(source, value):
    """The activation that makes one value of another, told by its values at many points."""
    kind = np.float64 if jax.config.jax_enable_x64 else np.float32
    points = np.append(-1, np.linspace(-4.9, 5.1, math.prod(source.shape) - 1)).astype(kind)
    found = apply(value, {source: points.reshape(source.shape)})
    if found is None:
        return None
    found, points = np.ravel(found).astype(kind), points.astype(float)
    slope = shortest(-found[0])  # of a leaky relu
    rows = [*ROWS, ({"leaky": {"alpha": slope}}, lambda x: np.where(x > 0, x, slope * x))]
    near = 1e-12 if kind is np.float64 else 1e-5
    return next((row for row, function in rows if np.abs(found - function(points)).max() < near), None)


def apply(value, known):
    """The value where that of another one is known; None where it is not made of that one and numbers alone."""
    if value in known:
        return known[value]
    if value.known is not None:
        return value.known if not value.source and np.all(value.known == np.ravel(value.known)[0]) else None
    if value.primitive is None or value.name() not in ELEMENTWISE:
        return None
    inputs = [apply(v, known) for v in value.inputs]
    if any(v is None for v in inputs):
        return None
    known[value] = value.primitive.bind(*inputs, **value.params)
    return known[value]


def shortest(number):
    """The shortest decimal that is this number in its precision."""
    return float(str(np.asarray(number)[()]))


def erf(x):
    return np.vectorize(math.erf)(x)


ROWS = [
    ("identity", lambda x: x), ("relu", lambda x: np.maximum(x, 0)), ("tanh", np.tanh), ("abs", np.abs),
    ("sin", np.sin), ("erf", erf), ("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
    ("gelu", lambda x: x * (1 + erf(x / math.sqrt(2))) / 2),
    ("gelu_tanh", lambda x: x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2),
    ("silu", lambda x: x / (1 + np.exp(-x))),
    ("softplus", lambda x: np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)),
]
