#!/usr/bin/env python3
"""Writes flax_<case>.json (recording.py): networks of flax.linen, each with traps of its own."""
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)
from recording import IMAGES, SEQUENCES, TOKENS, VOCABULARY, finish, plain, samples_of, weights, write
from foreign.read_flax import describe


class Images(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Conv(3, (3, 3), strides=2)(x)
        x = nn.leaky_relu(nn.BatchNorm(use_running_average=True, epsilon=1e-2)(x), 0.2)
        y = nn.Conv(3, (3, 3), padding="CIRCULAR", use_bias=False)(nn.gelu(x))
        x = nn.avg_pool(x + 0.5 * y, (2, 2), padding="SAME", count_include_pad=False)
        x = nn.gelu(nn.avg_pool(x, (2, 2), padding=((1, 0), (0, 1))), approximate=False)
        x = nn.Dropout(0.5, deterministic=True)(x)
        return nn.Dense(2)(nn.LayerNorm()(x.reshape((x.shape[0], -1))))


class Pooled(nn.Module):
    """Channels first before the dense layer; a projection; norms over positions and over everything."""

    @nn.compact
    def __call__(self, x):
        y = nn.InstanceNorm(use_bias=False, use_scale=False)(x)
        y = nn.Conv(3, (3, 1), kernel_dilation=(2, 1), padding=[(2, 2), (0, 0)])(y)
        x = nn.relu(nn.GroupNorm(num_groups=1)(y) + nn.Conv(3, (1, 1), use_bias=False)(x))
        x = nn.max_pool(x, (2, 2), strides=(2, 2), padding="SAME").transpose(0, 3, 1, 2)
        x = nn.Dense(3)(nn.silu(x).reshape((x.shape[0], -1)))
        return nn.Dense(2)(nn.softplus(nn.sigmoid(x)))


class Language(nn.Module):
    """Positions of which not all are used, causal attention, a tied readout."""

    @nn.compact
    def __call__(self, x):
        embed = nn.Embed(VOCABULARY, 4, name="embed")
        mask = nn.make_causal_mask(x)
        x = embed(x) + self.param("position", nn.initializers.zeros, (1, 5, 4))[:, :x.shape[1]]
        x = x + nn.MultiHeadDotProductAttention(2, qkv_features=6)(nn.LayerNorm(epsilon=1e-4)(x), mask=mask)
        return embed.attend(x)


class Sequence(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = x + nn.SelfAttention(2, use_bias=False)(x)
        x = nn.Sequential([nn.Dense(3), jnp.sin, nn.Dense(4)])(x)
        return nn.Dense(2)(jnp.tanh(x[:, -1]) + jnp.abs(x.mean(1)))


CASES = {"images": (Images, IMAGES), "pooled": (Pooled, IMAGES), "language": (Language, TOKENS),
         "sequence": (Sequence, SEQUENCES)}


def drawn(tree):
    """Variables with weights of few digits."""
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: jnp.asarray(weights(jax.tree_util.keystr(path), leaf.shape,
                                               positive=path[-1].key == "var")), tree)


def record(name):
    build, shape = CASES[name]
    module, samples = build(), samples_of(shape, tokens=name == "language")
    variables = drawn(module.init(jax.random.PRNGKey(0), samples))
    fixed = {key: value for key, value in variables.items() if key != "params"}

    def function(parameters):
        return module.apply({"params": parameters, **fixed}, samples).reshape(len(samples), -1)

    outputs = function(variables["params"])
    jacobian = [np.asarray(j).reshape(outputs.size, -1)
                for j in jax.tree_util.tree_leaves(jax.jacobian(function)(variables["params"]))]
    return finish(describe(module, variables, shape), samples, outputs, sum(j @ j.T for j in jacobian))


# ---- what has no counterpart ---------------------------------------------------------------------


class Applied(nn.Module):
    """A forward made of dense layers."""

    function: object

    @nn.compact
    def __call__(self, x):
        return self.function(x)


REFUSED = {
    "grouped": (lambda x: nn.Conv(2, (1, 1), feature_group_count=2)(x), (3, 3, 2),
                ["Conv_0 (Conv)", "feature_group_count=2", "feature_group_count=1"]),
    "transposed": (lambda x: nn.ConvTranspose(2, (2, 2))(x), (3, 3, 2), ["ConvTranspose_0", "no transposed"]),
    "factors_only": (lambda x: nn.LayerNorm(use_bias=False)(x), (2,), ["LayerNorm_0", "use_scale=False"]),
    "groups": (lambda x: nn.GroupNorm(2)(x), (3, 3, 4), ["2 groups of channels"]),
    "mask": (lambda x: nn.SelfAttention(2)(x, mask=jnp.eye(3)[None, None]), (3, 4), ["not the causal one"]),
    "cross": (lambda x: nn.MultiHeadDotProductAttention(2)(x, nn.relu(x)), (3, 4), ["not made of one sequence"]),
    "arrays": (lambda x: x @ jnp.ones((2, 2)), (2,), ["behind the input (dot_general)", "flax.linen"]),
    "gate": (lambda x: nn.Dense(2)(x) * x, (2,), ["mul", "no number"]),
    "slope": (lambda x: nn.PReLU()(x), (2,), ["PReLU_0", "is a parameter"]),
    "first_token": (lambda x: x[:, 0], (3, 4), ["behind the input (slice)", "x[:, -1]"]),
    "unknown": (lambda x: nn.elu(nn.Dense(2)(x)), (2,), ["behind Dense_0 (select_n)", "no activation"]),
}

def refused():
    found = {}
    for name, (function, shape, words) in REFUSED.items():
        module = Applied(function)
        variables = drawn(module.init(jax.random.PRNGKey(0), np.zeros((16, *shape))))
        found[name] = {**plain(describe(module, variables, shape)), "words": words}
    return found


if __name__ == "__main__":
    write("flax", CASES, record, refused())
