#!/usr/bin/env python3
"""Writes torch_<case>.json (recording.py): modules, each with traps of its own."""
import torch
from torch import nn
from torch.nn import functional as F

from recording import IMAGES, SEQUENCES, TOKENS, VOCABULARY, finish, plain, samples_of, weights, write
from foreign.read_torch import describe


class Block(nn.Module):
    """A projection, a scaled branch, normalisations with and without parameters."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False)
        self.norm = nn.GroupNorm(1, 4, eps=1e-3)
        self.conv2 = nn.Conv2d(4, 4, (1, 3), padding="same")
        self.instance = nn.InstanceNorm2d(4)
        self.project = nn.Conv2d(2, 4, 1, stride=2)

    def forward(self, x):
        y = F.gelu(self.norm(self.conv1(x)))
        return F.relu(0.5 * self.instance(self.conv2(y)) + self.project(x))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block()
        self.inner = nn.Conv2d(4, 4, 1)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        x = F.max_pool2d(self.block(x), 3, stride=1, padding=1)
        x = x - torch.tanh(self.inner(x)) + F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return self.fc(torch.sin(x.mean((2, 3))))


class Vision(nn.Module):
    """Patches become tokens in row-major order; a whole encoder that normalises afterwards."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(2, 4, (2, 1), stride=2)
        self.position = nn.Parameter(torch.zeros(1, 5, 4))
        layer = nn.TransformerEncoderLayer(4, 2, 3, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, norm=nn.LayerNorm(4))
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2) + self.position[:, :4]
        return self.head(self.encoder(x).mean(dim=1))


class Language(nn.Module):
    """Tokens, positions of which not all are used, causal attention, a tied readout."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, 4)
        self.position = nn.Embedding(5, 4)
        self.norm = nn.LayerNorm(4, eps=1e-4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.head = nn.Linear(4, VOCABULARY, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("mask", torch.triu(torch.ones(3, 3, dtype=torch.bool), 1))

    def forward(self, x):
        x = self.embed(x) + self.position(torch.arange(x.shape[1]))
        y = self.norm(x)
        return self.head(x + self.attention(y, y, y, attn_mask=self.mask, need_weights=False)[0])


class Sequence(nn.Module):
    """Normalises before; attention without biases, samples as its second axis; the last token."""

    def __init__(self):
        super().__init__()
        self.block = nn.TransformerEncoderLayer(4, 1, 3, batch_first=True, norm_first=True, layer_norm_eps=1e-2)
        self.attention = nn.MultiheadAttention(4, 2, bias=False)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = self.block(x).transpose(0, 1)
        return self.head(self.attention(x, x, x)[0].transpose(0, 1)[:, -1])


class Shared(nn.Module):
    """A layer used twice, one whose tensors are those of another, a frozen one."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(3, 4, bias=False)
        self.twice = nn.Linear(4, 4)
        self.same = nn.Linear(4, 4)
        self.same.weight, self.same.bias = self.twice.weight, self.twice.bias
        self.frozen = nn.Linear(4, 4).requires_grad_(False)
        self.norm = nn.LayerNorm(4, elementwise_affine=False)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = F.silu(self.twice(self.stem(x)))
        x = x + F.softplus(self.twice(x))
        return self.head(self.norm(F.leaky_relu(self.same(torch.sigmoid(self.frozen(x))), 0.3)))


def images():
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.BatchNorm2d(3, eps=1e-2), nn.LeakyReLU(0.2),
        nn.Conv2d(3, 3, 3, padding=1, padding_mode="circular", bias=False), nn.GELU("tanh"),
        nn.AvgPool2d(2, stride=1, padding=1), nn.Conv2d(3, 2, (2, 1), dilation=(2, 1), padding=(0, 1)),
        nn.Flatten(), nn.Linear(20, 3), nn.GELU(), nn.Linear(3, 2, bias=False))


def flattened():
    """Normalisations between flatten and the dense layer have their factors in the order of the pixels too."""
    return nn.Sequential(
        nn.Conv2d(2, 2, 2, stride=(2, 1)), nn.Flatten(), nn.LayerNorm(12), nn.Dropout(0.3), nn.BatchNorm1d(12),
        nn.ReLU(), nn.Linear(12, 2))


def pooled():
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.BatchNorm2d(3, affine=False),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))


def batch():
    """In training mode: the statistics are those of the batch."""
    return nn.Sequential(nn.Conv2d(2, 2, 2), nn.BatchNorm2d(2), nn.Tanh(), nn.Flatten(), nn.Linear(24, 2))


def line():
    return nn.Sequential(
        nn.Conv1d(2, 3, 3, padding=1), nn.BatchNorm1d(3), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(9, 2))


CASES = {"images": images, "residual": Residual, "flattened": flattened, "pooled": pooled, "vision": Vision,
         "batch": batch, "language": Language, "sequence": Sequence, "shared": Shared, "line": line}
SHAPES = {"language": TOKENS, "sequence": SEQUENCES, "shared": (3,), "line": (1, 6, 2)}


def make(name):
    """A module, its samples as it takes them, and as ntkrun does."""
    module = CASES[name]().double().train(name == "batch")
    seen = set()
    for key, tensor in module.state_dict(keep_vars=True).items():
        if tensor.is_floating_point() and id(tensor) not in seen:
            tensor.data = torch.tensor(weights(key, tensor.shape, key.endswith("running_var")))
            seen.add(id(tensor))
    samples = samples_of(SHAPES.get(name, IMAGES), tokens=name == "language")
    given = torch.tensor(samples)
    if given.ndim == 4:
        given = given.movedim(3, 1) if name != "line" else given[:, 0].transpose(1, 2)
    return module, given, samples


def jacobian(module, samples):
    trained = [p for p in module.parameters() if p.requires_grad]
    rows = [torch.autograd.grad(value, trained, retain_graph=True, allow_unused=True)
            for value in module(samples).flatten()]
    return torch.stack([torch.cat([(torch.zeros_like(p) if g is None else g).flatten()
                                   for g, p in zip(row, trained)]) for row in rows])


def record(name):
    module, given, samples = make(name)
    description, matrix = describe(module, given.shape[1:]), jacobian(module, given)
    return finish(description, samples, module(given).flatten(1), matrix @ matrix.T)


# ---- what has no counterpart ---------------------------------------------------------------------


class Applied(nn.Module):
    """layer, and a forward made of it."""

    def __init__(self, layer, forward):
        super().__init__()
        self.layer, self.function = layer, forward

    def forward(self, x):
        return self.function(self.layer, x)


def half_frozen():
    layer = nn.Linear(2, 2)
    layer.bias.requires_grad_(False)
    return layer


def half_tied():
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[1].weight = module[0].weight
    return module


def twice(convolution):
    return nn.Sequential(convolution, convolution, nn.Flatten(), nn.Linear(18, 2))


def crossing(layer, x):
    """Two ways that share a part without one being in the other."""
    y = layer(x)
    z = torch.tanh(y)
    return (torch.relu(y) + z) + torch.sin(z)


REFUSED = {
    "grouped": (lambda: nn.Conv2d(2, 2, 1, groups=2), (2, 3, 3), ["0 (Conv2d)", "2 groups", "groups=1"]),
    "transposed": (lambda: nn.Sequential(nn.ConvTranspose2d(2, 2, 2)), (2, 3, 3),
                   ["0 (ConvTranspose2d)", "no transposed convolution", "encoder"]),
    "ceil_mode": (lambda: nn.MaxPool2d(2, ceil_mode=True), (2, 3, 3), ["MaxPool2d", "ceil_mode=False"]),
    "dilated_pool": (lambda: nn.MaxPool2d(2, dilation=2), (2, 3, 3), ["MaxPool2d", "dilation"]),
    "divisor": (lambda: nn.AvgPool2d(2, divisor_override=3), (2, 3, 3), ["AvgPool2d", "divisor_override=None"]),
    "adaptive": (lambda: nn.AdaptiveAvgPool2d(2), (2, 3, 3), ["AdaptiveAvgPool2d", "[3, 3] cells", "[2, 2]"]),
    "unknown": (lambda: nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Hardtanh())), (2,),
                ["1.0 (Hardtanh)", "no such layer", "there are", "LeakyReLU"]),
    "slope": (lambda: nn.PReLU(), (2,), ["PReLU", "a parameter", "LeakyReLU"]),
    "softmax": (lambda: nn.Sequential(nn.Linear(2, 2), nn.Softmax(1)), (2,), ["1 (Softmax)", "without it"]),
    "reflected": (lambda: nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"), (2, 3, 3),
                  ["padding_mode='reflect'", "zeros or circular"]),
    "circular_stride": (lambda: nn.Conv2d(2, 2, 3, stride=2, padding=1, padding_mode="circular"), (2, 4, 4),
                        ["Conv2d", "circular padding", "stride 1"]),
    "entrywise": (lambda: nn.LayerNorm([2, 3, 3]), (2, 3, 3), ["LayerNorm", "GroupNorm(1, channels)"]),
    "last_axis": (lambda: nn.LayerNorm(3, elementwise_affine=False), (2, 3, 3), ["the axes (w) of (n, c, h, w)"]),
    "groups": (lambda: nn.GroupNorm(2, 4), (4, 3, 3), ["2 groups of channels", "one group"]),
    "channels": (lambda: nn.Sequential(nn.BatchNorm1d(3)), (3, 4), ["axis 1 of (n, t, c)", "move the channels"]),
    "linear_axis": (lambda: nn.Linear(3, 2), (2, 3, 3), ["the last axis of (n, c, h, w)", "flatten"]),
    "padding_token": (lambda: nn.Embedding(3, 2, padding_idx=0), (4,), ["padding_idx=0", "padding_idx=None"]),
    "cross": (lambda: Applied(nn.MultiheadAttention(4, 2, batch_first=True), lambda m, x: m(x, torch.relu(x), x)[0]),
              (3, 4), ["layer (MultiheadAttention)", "not the same sequence", "self-attention"]),
    "batch_second": (lambda: Applied(nn.MultiheadAttention(4, 2), lambda m, x: m(x, x, x)[0]), (3, 4),
                     ["for the samples", "batch_first=True"]),
    "mask": (lambda: Applied(nn.MultiheadAttention(4, 2, batch_first=True),
                             lambda m, x: m(x, x, x, attn_mask=torch.eye(3, dtype=torch.bool))[0]), (3, 4),
             ["attn_mask", "above the diagonal"]),
    "attention_weights": (lambda: Applied(nn.MultiheadAttention(4, 2, batch_first=True), lambda m, x: m(x, x, x)[1]),
                          (3, 4), ["getitem", "the part 1"]),
    "half_frozen": (half_frozen, (2,), ["Linear", "frozen", "freeze all of them or none"]),
    "half_tied": (half_tied, (2,), ["1 (dense)", "but not its bias", "share both or none"]),
    "shared_convolution": (lambda: twice(nn.Conv2d(2, 2, 1)), (2, 3, 3), ["0 (conv)", "only the weights of dense"]),
    "gate": (lambda: Applied(nn.Linear(2, 2), lambda m, x: m(x) * x), (2,), ["mul", "no number", "residual branch"]),
    "factor": (lambda: Applied(nn.Linear(2, 2), lambda m, x: 2 * m(x)), (2,), ["2 outside a residual branch"]),
    "joined": (lambda: Applied(nn.Linear(2, 2), lambda m, x: torch.cat([m(x), x], 1)), (2,), ["cat", "it joins"]),
    "crossed": (lambda: Applied(nn.Linear(2, 2), crossing), (2,), ["do not make residual", "skip(x) + branch(x)"]),
    "functional": (lambda: Applied(nn.Linear(2, 2), lambda m, x: F.linear(x, m.weight)), (2,), ["as arguments"]),
    "first_token": (lambda: Applied(nn.Identity(), lambda m, x: x[:, 0]), (3, 4), ["getitem", "x[:, -1]"]),
    "image_outputs": (lambda: nn.Sequential(nn.Conv2d(2, 2, 1), nn.Flatten()), (2, 3, 3),
                      ["1 (Flatten)", "another order", "end with a linear layer"]),
}


def refused():
    found = {}
    for name, (build, shape, words) in REFUSED.items():
        torch.manual_seed(0)
        found[name] = {**plain(describe(build(), shape)), "words": words}
    return found


if __name__ == "__main__":
    write("torch", CASES, record, refused())
