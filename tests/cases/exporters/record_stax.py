#!/usr/bin/env python3
"""Writes stax_<case>.json (recording.py): networks of neural_tangents.stax, whose weights have multipliers.  Neural
Tangents 0.6.5 needs JAX 0.4.30 or older."""
import jax
import neural_tangents as nt
import numpy as np

jax.config.update("jax_enable_x64", True)
from recording import IMAGES, SEQUENCES, finish, plain, samples_of, weights, write
from foreign.read_stax import describe, recording

stax = recording(nt.stax)


def residual():
    block = stax.serial(stax.FanOut(2), stax.parallel(
        stax.serial(stax.Conv(3, (3, 3), padding="SAME", W_std=1.3, b_std=0.4), stax.Erf()), stax.Identity()),
        stax.FanInSum())
    return stax.serial(
        stax.Conv(3, (2, 2), strides=(2, 1), padding="CIRCULAR", W_std=1.1), stax.LayerNorm(), stax.repeat(block, 2),
        stax.AvgPool((2, 2), padding="SAME"), stax.Gelu(), stax.SumPool((2, 2), padding="VALID"), stax.Flatten(),
        stax.Dense(3, W_std=1.7, b_std=0.2), stax.Sigmoid_like(), stax.LeakyRelu(0.3),
        stax.Dense(2, b_std=0.6, parameterization="standard", s=(2, 1)))


def attention():
    return stax.serial(
        stax.GlobalSelfAttention(5, 3, 4, 2, b_std=0.3, W_key_std=1.4, W_out_std=0.7), stax.Relu(),
        stax.GlobalSelfAttention(4, 3, 2, 2, linear_scaling=False, W_value_std=1.2), stax.GlobalAvgPool(),
        stax.Dense(2))


CASES = {"residual": (residual, IMAGES), "attention": (attention, SEQUENCES)}


def make(build, shape):
    """A network and its parameters, weights with few digits."""
    network = build()
    _, tree = network[0](jax.random.PRNGKey(0), (1, *shape))
    leaves, structure = jax.tree_util.tree_flatten(tree)
    return network, jax.tree_util.tree_unflatten(structure, [weights(str(k), leaf.shape)
                                                             for k, leaf in enumerate(leaves)])


def record(name):
    build, shape = CASES[name]
    network, parameters = make(build, shape)
    samples = samples_of(shape)
    outputs = np.asarray(network[1](parameters, samples))
    jacobian = [np.asarray(j).reshape(outputs.size, -1) for j in
                jax.tree_util.tree_leaves(jax.jacobian(lambda p: network[1](p, samples))(parameters))]
    return finish(describe(network, parameters, shape), samples, outputs, sum(j @ j.T for j in jacobian))


REFUSED = {
    "unknown": (lambda: stax.serial(stax.Dense(2), stax.Rbf()), (2,), ["layer1 (Rbf)", "no such layer", "Erf"]),
    "transposed": (lambda: stax.ConvTranspose(2, (2, 2)), (3, 3, 2), ["ConvTranspose", "no transposed"]),
    "axes": (lambda: stax.Dense(2, channel_axis=1), (3, 4), ["Dense", "channel_axis=1", "channel_axis=-1"]),
    "positions": (lambda: stax.GlobalSelfAttention(4, 2, 2, 1, pos_emb_type="SUM"), (3, 4), ["pos_emb_type=SUM"]),
}


def refused():
    return {name: {**plain(describe(*make(build, shape), shape)), "words": words}
            for name, (build, shape, words) in REFUSED.items()}


if __name__ == "__main__":
    write("stax", CASES, record, refused())
