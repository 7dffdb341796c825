"""A PyTorch module as a plain description: what export_torch.py translates, with or without torch.

{"origin": text, "output": number of a node, "nodes": [{"op": class or function, "path", "inputs": numbers of
nodes, "options", "shape": of the result for two samples}], "state": {name: array}, "same": {name: first name of
that tensor}, "frozen": [name]}.  Node 0 is the input; its option tokens says whether it takes integers.  Options of
a module are its attributes, and the arguments of the call.  An array among them is {"array": its name in state}.
"""
import copy
import operator
from unittest import mock

import torch
import torch.fx

from foreign.translate import plain
from foreign.weights import Refusal, first_line

FUNCTIONS = {
    "ReLU": "relu relu_", "Tanh": "tanh tanh_", "Sigmoid": "sigmoid sigmoid_", "SiLU": "silu", "GELU": "gelu",
    "LeakyReLU": "leaky_relu leaky_relu_", "Softplus": "softplus", "abs": "abs absolute", "sin": "sin", "erf": "erf",
    "Dropout": "dropout", "Identity": "contiguous clone", "permute": "permute", "transpose": "transpose swapaxes",
    "reshape": "flatten reshape view unflatten squeeze unsqueeze", "mean": "mean", "sum": "sum",
    "MaxPool1d": "max_pool1d", "MaxPool2d": "max_pool2d", "AvgPool1d": "avg_pool1d", "AvgPool2d": "avg_pool2d",
    "AdaptiveAvgPool1d": "adaptive_avg_pool1d", "AdaptiveAvgPool2d": "adaptive_avg_pool2d",
    "AdaptiveMaxPool1d": "adaptive_max_pool1d", "AdaptiveMaxPool2d": "adaptive_max_pool2d",
    "add": "add add_ iadd", "sub": "sub sub_ isub", "mul": "mul mul_ imul", "div": "div div_ truediv itruediv",
    "getitem": "getitem",
}
POOL = "kernel_size stride padding"
ARGUMENTS = {  # those behind the tensors
    "LeakyReLU": "negative_slope", "GELU": "approximate", "Softplus": "beta threshold", "Dropout": "p training",
    "transpose": "dim0 dim1", "mean": "dim keepdim", "sum": "dim keepdim", "getitem": "index",
    "MaxPool1d": f"{POOL} dilation ceil_mode return_indices", "MaxPool2d": f"{POOL} dilation ceil_mode return_indices",
    "AvgPool1d": f"{POOL} ceil_mode count_include_pad",
    "AvgPool2d": f"{POOL} ceil_mode count_include_pad divisor_override",
    "add": "other", "sub": "other", "mul": "other", "div": "other",
    "MultiheadAttention": "key_padding_mask need_weights attn_mask average_attn_weights is_causal",
    "TransformerEncoderLayer": "mask src_key_padding_mask is_causal",
    "TransformerEncoder": "mask src_key_padding_mask is_causal",
}
VIEWS = ("getitem", "unsqueeze", "get_attr")  # each entry of a parameter at most once


def describe(module, input_shape):
    if torch.fx.Tracer().is_leaf_module(module, ""):
        module = torch.nn.Sequential(module)
    try:
        with mock.patch.object(torch, "arange", arange_of_proxies(torch.arange)):
            traced = torch.fx.symbolic_trace(module)
    except Exception as error:  # whatever a forward may raise
        raise Refusal("", type(module).__name__, f"torch.fx cannot follow its forward ({first_line(error)})",
                      "let the forward branch on nothing but the structure, or use nn.Sequential") from error
    return Reader(module, traced, input_shape).read()


def arange_of_proxies(arange):
    """torch.arange(x.shape[1]), which torch.fx cannot follow by itself."""
    def traced(*args, **keywords):
        proxies = [a for a in (*args, *keywords.values()) if isinstance(a, torch.fx.Proxy)]
        if not proxies:
            return arange(*args, **keywords)
        return proxies[0].tracer.create_proxy("call_function", arange, args, keywords)
    return traced


class Reader:
    """Runs a traced module on two samples and writes down what it does."""

    def __init__(self, module, traced, input_shape):
        self.module, self.graph, self.input_shape = module, traced.graph, tuple(input_shape)
        self.running = copy.deepcopy(traced).eval()
        self.functions = function_table()
        self.values, self.numbers, self.nodes = {}, {}, []
        self.state, self.same, self.frozen = {}, {}, []
        first = {}
        for name, tensor in module.state_dict(keep_vars=True).items():
            if first.setdefault(id(tensor), name) != name:
                self.same[name] = first[id(tensor)]
            else:
                self._keep(name, tensor, tensor.requires_grad)

    def _keep(self, name, tensor, trainable):
        half = tensor.dtype in (torch.float16, torch.bfloat16)
        self.state[name] = (tensor.float() if half else tensor).detach().cpu().numpy()
        if not trainable:
            self.frozen.append(name)

    def read(self):
        for node in self.graph.nodes:
            if node.op == "output":
                return self._description(self.numbers.get(node.args[0]) if node.all_input_nodes else None)
            self.values[node] = self._try(node)
            if self._depends(node):
                self._write(node)
        raise AssertionError("a graph ends with its output")

    def _description(self, output):
        if output is None:
            raise Refusal("", type(self.module).__name__, "it does not return one tensor", "return the outputs alone")
        return {"origin": f"{type(self.module).__name__} of PyTorch {torch.__version__}", "nodes": self.nodes,
                "output": output, "state": self.state, "same": self.same, "frozen": self.frozen}

    # Values.

    def _try(self, node):
        try:
            return self._run(node)
        except Refusal:
            raise
        except Exception as error:  # whatever a module may raise
            raise Refusal(str(node.target), type(self.module).__name__, f"it cannot run on two samples "
                          f"{self.input_shape} ({first_line(error)})", "give the input_shape of one sample "
                          "as the module takes it") from error

    def _run(self, node):
        if node.op == "placeholder":
            return self._input(node)
        args, keywords = torch.fx.node.map_arg((node.args, node.kwargs), self.values.get)
        if node.op == "get_attr":
            return operator.attrgetter(node.target)(self.running)
        if node.op == "call_module":
            return self.running.get_submodule(node.target)(*args, **keywords)
        if node.op == "call_method":
            return getattr(args[0], node.target)(*args[1:], **keywords)
        return node.target(*args, **keywords)

    def _input(self, node):
        if self.nodes:
            if node.args:
                return node.args[0]  # the default
            raise Refusal("", type(self.module).__name__, f"its forward takes {node.target} too",
                          "wrap it into a module that takes the samples alone")
        users = [self.module.get_submodule(user.target) for user in node.users if user.op == "call_module"]
        tokens = any(isinstance(user, torch.nn.Embedding) for user in users)
        kind = next((p.dtype for p in self.module.parameters()), None)
        value = torch.zeros((2, *self.input_shape), dtype=torch.long if tokens else kind)
        self._append(node, "input", "", [], {"tokens": tokens}, value)
        return value

    def _depends(self, node):
        """Whether it is made of the samples; their sizes, and what is made of parameters alone, are not."""
        value = self.values[node]
        return (node not in self.numbers and any(n in self.numbers for n in node.all_input_nodes)
                and isinstance(value, (torch.Tensor, tuple)) and not isinstance(value, torch.Size))

    # Nodes.

    def _write(self, node):
        inputs = []

        def look(n):
            if n not in self.numbers:
                return self._constant(n)
            inputs.append(self.numbers[n])
            return inputs

        args, keywords = torch.fx.node.map_arg((tuple(node.args), dict(node.kwargs)), look)
        op, path, options = self._name(node)
        if args and args[0] is not inputs and not isinstance(args[0], (list, tuple)) and op not in ("add", "mul"):
            op = f"{op} of a constant"
        rest = [a for a in args if a is not inputs]
        if op == "permute":
            options["dims"] = rest[0] if isinstance(rest[0], (list, tuple)) else rest
        options.update(zip(ARGUMENTS.get(op, "").split(), rest))
        options.update((key, value) for key, value in keywords.items() if value is not inputs)
        self._append(node, op, path, inputs, plain(options), self.values[node])

    def _name(self, node):
        if node.op != "call_module":
            return self.functions.get(node.target, getattr(node.target, "__name__", node.target)), node.name, {}
        module = self.module.get_submodule(node.target)
        return type(module).__name__, node.target, attributes(module)

    def _append(self, node, op, path, inputs, options, value):
        value = value[0] if isinstance(value, tuple) else value
        self.numbers[node] = len(self.nodes)
        self.nodes.append({"op": op, "path": path, "inputs": list(inputs), "options": options,
                           "shape": list(value.shape)})

    def _constant(self, node):
        value = self.values[node]
        if not isinstance(value, torch.Tensor):
            return value
        name = node.target if node.op == "get_attr" else f"{self._source(node)}:{node.name}"
        if name not in self.state and name not in self.same:
            self._keep(name, value, value.requires_grad)
        return {"array": self.same.get(name, name)}

    def _source(self, node):
        """Name of the parameter, if any, that the constant is a part of."""
        if not self.values[node].requires_grad or node.op == "get_attr":
            return node.target
        if node.op == "call_module" and isinstance(self.module.get_submodule(node.target), torch.nn.Embedding):
            index = self.values[node.args[0]].flatten().tolist()
            if len(set(index)) == len(index):
                return f"{node.target}.weight"
        elif str(getattr(node.target, "__name__", node.target)) in VIEWS:
            return self._source(node.args[0])
        raise Refusal(node.name, str(node.target), "it computes an array from parameters", "make what it gives a "
                      "parameter of its own")


def function_table():
    """{function or name of a method: op}"""
    table = {}
    for op, names in FUNCTIONS.items():
        for name in names.split():
            table[name] = op
            for module in (torch, torch.nn.functional, operator):
                if hasattr(module, name):
                    table[getattr(module, name)] = op
    return table


def attributes(module):
    """Settings of a module, and of the parts of a transformer's layers."""
    found = {key: value for key, value in vars(module).items() if not key.startswith("_")}
    if type(module).__name__.startswith("TransformerEncoder"):
        found["activation"] = getattr(module, "activation", None)
        found["parts"] = {name: {"op": type(part).__name__, "options": attributes(part)}
                          for name, part in module.named_children()}
    if isinstance(module, torch.nn.ModuleList):
        found["parts"] = {name: {"op": type(part).__name__, "options": attributes(part)}
                          for name, part in module.named_children()}
    return plain(found)
