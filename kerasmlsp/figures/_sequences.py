"""How the small nets of the figures of sequences are trained and asked."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kerasmlsp import models
from kerasmlsp.figures import _made
from kerasmlsp.figures._fitting import EAGER, numpy
from kerasmlsp.layers import LSTM, ScaledDotProductAttention
from kerasmlsp.targets import pretext

KINDS: dict[str, Callable] = {"RNN": keras.layers.SimpleRNN, "LSTM": LSTM, "GRU": keras.layers.GRU}


def learn(
    nets: Sequence[keras.Model],
    inputs: Any,
    targets: np.ndarray,
    *,
    batch: int,
    rate: float,
    loss: Any,
    looks: int = 1,
    look: Callable | None = None,
) -> None:
    """Trains nets with Adam, once through all examples: one graph for all.

    Args:
        nets: Nets of other names that take the same input, an array; or one net of any input.
        inputs: As many examples as all steps need, `(steps * batch, ...)`, or a dict of such arrays.
        targets: Targets of every net, in that order.
        batch: Examples of a step.
        rate: Learning rate.
        loss: Loss of every net.
        looks: How often to look on, in even distances.
        look: Called with the steps done so far.
    """
    steps = len(targets) // batch
    each = max(1, steps // looks)
    if len(nets) == 1:
        joint, losses = nets[0], loss
    else:
        source = keras.Input(inputs.shape[1:], dtype=inputs.dtype)
        joint, losses = keras.Model(source, [net(source) for net in nets]), [loss] * len(nets)
    joint.compile(keras.optimizers.Adam(rate, clipnorm=1.0), losses, run_eagerly=steps <= EAGER, jit_compile=False)
    for begin in range(0, steps - each + 1, each):
        rows = slice(begin * batch, (begin + each) * batch)
        given = {name: value[rows] for name, value in inputs.items()} if isinstance(inputs, dict) else inputs[rows]
        wanted = targets[rows] if len(nets) == 1 else [targets[rows]] * len(nets)
        joint.fit(given, wanted, batch_size=batch, shuffle=False, verbose=0)
        if look:
            look(begin + each)


def filler(*, features: int, heads: int, steps: int, seed: int, batch: int = 64) -> keras.Model:
    """A masked language model of one block that learnt the sentences of `_made.agreeing`; the last id hides a word."""
    keras.utils.set_random_seed(seed)
    size = len(_made.AGREEING)
    net = models.masked_language_model(
        size + 1,
        max_length=8,
        features=features,
        num_layers=1,
        num_heads=heads,
        feed_forward_dim=2 * features,
        dropout=0.0,
    )
    ids = _made.numbered(_made.agreeing(steps * batch, seed), _made.AGREEING, 6)
    shown, targets = pretext.mask_tokens(ids, size, size, rate=0.25, seed=seed)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    learn([net], shown, targets, batch=batch, rate=5e-3, loss=loss)
    return net


def attention_of(net: keras.Model, ids: np.ndarray, block: str = "block_1") -> dict[str, np.ndarray]:
    """What a block of an encoder attends to, worked out from its weights.

    Returns:
        `inputs` `(texts, length, features)`; `queries`, `keys` and `values` `(texts, heads, length, features / heads)`;
        `weights` `(texts, heads, length, length)`.
    """
    encoder = net.get_layer("encoder")
    norm, layer = (encoder.get_layer(f"{block}_attention{ending}") for ending in ("_normalization", ""))
    inputs = numpy(keras.Model(encoder.input, norm.output)(ids))
    weights = layer.get_weights()
    parts = {
        name: np.einsum("btf,fhd->bhtd", inputs, kernel) + bias[:, None]
        for name, kernel, bias in zip(("queries", "keys", "values"), weights[0:6:2], weights[1:6:2], strict=True)
    }
    mask = (ids != 0)[:, None, None]
    found = ScaledDotProductAttention()(*parts.values(), attention_mask=keras.ops.convert_to_tensor(mask))[1]
    return {"inputs": inputs, **parts, "weights": numpy(found)}


def share(axes: Any, weights: np.ndarray, rows: Sequence[str], columns: Sequence[str], title: str) -> Any:
    """Draws shares of attention, `(rows, columns)`, in grey."""
    shown = axes.imshow(weights, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=60, ha="left", rotation_mode="anchor", fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_xlabel(title, fontsize=9)
    return shown
