"""Foundations: what goes through many layers, forth and back, and what depth and width are good for."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from kerasmlsp import models
from kerasmlsp.callbacks import UpdateNorms
from kerasmlsp.figures import _data
from kerasmlsp.figures._drawing import COLOURS, MARKS, Drawing, checked, logarithmic, panels
from kerasmlsp.figures._fitting import descend, gradients, numpy, slopes, solve


@checked
def initialisation(*, depth: int = 10, units: int = 100, count: int = 200, seed: int = 0) -> Drawing:
    """How large what the layers give, and what they get back, is at the start, by how large the weights are drawn.

    Glorot's start keeps both; the variance `sqrt(2) / (inputs + outputs)` that the slide prints lets them fade.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Early Stopping" (the start); Glorot and Bengio 2010,
    "Understanding the Difficulty of Training Deep Feedforward Neural Networks".

    Args:
        depth: Hidden layers, tanh.
        units: Units of each.
        count: Examples, standard normal.
        seed: Seed of weights and examples.

    Returns:
        The figure; by the name of the start the standard deviation of the `activations` of each layer, and the norm of
        the `gradients` of its weights.

    Example:
        >>> figure, numbers = initialisation(depth=4, units=50)
        >>> kept = numbers["activations"]
        >>> bool(kept["Glorot normal"][-1] > 10 * kept["0.01"][-1])
        True
    """
    random = np.random.default_rng(seed)
    x, t = (random.normal(size=(count, units)).astype("float32") for _ in range(2))
    model = models.multilayer_perceptron(
        units, units, hidden_units=(units,) * depth, activation="tanh", output_activation="linear"
    )
    inner = keras.Model(model.input, [model.get_layer(f"activation_{place}").output for place in range(depth)])
    variance = 2 / (units + units)
    starts = {
        "0.01": 0.01,
        "as printed, √2 / (in + out)": np.sqrt(variance / np.sqrt(2)),
        "Glorot normal": np.sqrt(variance),
        "1": 1.0,
    }
    numbers: dict = {"activations": {}, "gradients": {}}
    for name, deviation in starts.items():
        model.set_weights([random.normal(0, deviation, each.shape) * (each.ndim > 1) for each in model.get_weights()])
        numbers["activations"][name] = np.array([numpy(each).std() for each in inner(x)])
        numbers["gradients"][name] = np.array([np.linalg.norm(each) for each in gradients(model, x, t)[:-2:2]])
    figure, (axes,) = panels(1, 2, width=4, height=3.6)
    labels = {name: name if "Glorot" in name or "printed" in name else f"deviation {name}" for name in starts}
    for panel, key, title in zip(
        axes, numbers, ("standard deviation of activations", "norm of gradients"), strict=True
    ):
        for (name, values), colour, mark in zip(numbers[key].items(), COLOURS, MARKS, strict=False):
            panel.plot(range(1, depth + 1), values, color=colour, marker=mark, label=labels[name])
        logarithmic(panel, "y")
        panel.set(xlabel="hidden layer", title=title)
    axes[0].legend(fontsize=8)
    return Drawing(figure, numbers)


_ACTIVATIONS: dict[str, Callable] = {
    "identity": lambda x: keras.ops.convert_to_tensor(x),
    "binary step": lambda x: keras.ops.where(x < 0, 0.0, 1.0),
    "logistic": keras.activations.sigmoid,
    "tanh": keras.activations.tanh,
    "arctan": keras.ops.arctan,
    "ReLU": keras.activations.relu,
    "PReLU, slope 0.25": lambda x: keras.activations.leaky_relu(x, 0.25),
    "ELU": keras.activations.elu,
    "softplus": keras.activations.softplus,
}


@checked
def activations(*, limit: float = 4.0, count: int = 161) -> Drawing:
    """The activation functions of the table, each with its derivative.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Choice of Nonlinearity" and "Derivatives of Activation
    Functions".

    Args:
        limit: Inputs go from `-limit` to `limit`.
        count: Points, odd, so that 0 is one of them.

    Returns:
        The figure; `x`, the `values` and the `derivatives` of each function by its name.

    Example:
        >>> figure, numbers = activations()
        >>> float(numbers["derivatives"]["logistic"].max()), float(numbers["derivatives"]["tanh"].max())
        (0.25, 1.0)
    """
    x = np.linspace(-limit, limit, count, dtype="float32")
    values = {name: numpy(function(x)) for name, function in _ACTIVATIONS.items()}
    derivatives = {name: slopes(function, x) for name, function in _ACTIVATIONS.items()}
    figure, grid = panels(3, 3, width=2.9, height=2.2)
    for axes, name in zip(grid.ravel(), values, strict=True):
        axes.axhline(0, color="lightgrey", linewidth=0.8)
        axes.plot(x, values[name], color=COLOURS[0], linewidth=2, label="f(x)")
        axes.plot(x, derivatives[name], "--", color=COLOURS[1], label="f'(x)")
        axes.set(title=name, ylim=(-1.7, 2.2))
    for axes in grid[-1]:
        axes.set_xlabel("x")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return Drawing(figure, {"x": x, "values": values, "derivatives": derivatives})


@checked
def training_speed(
    *, depth: int = 8, units: int = 30, steps: int = 40, count: int = 200, rate: float = 0.1, seed: int = 0
) -> Drawing:
    """How much each layer learns in a step: the first ones of a deep sigmoid net stand still, skips let them move.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Training Speed", "Vanishing Gradients" and "Residual
    Networks (ResNet)"; He et al. 2016, "Deep Residual Learning for Image Recognition".

    Args:
        depth: Hidden layers, an even number; a skip leads over two of them.
        units: Units of each.
        steps: Steps of plain gradient descent, each on all examples.
        count: Examples of two classes.
        rate: Learning rate.
        seed: Seed of the examples and weights.

    Returns:
        The figure; `updates` by the name of the net: the norm of a step's change of each hidden layer's weights, a mean
        over the steps.

    Raises:
        ValueError: `depth` is odd.

    Example:
        >>> figure, numbers = training_speed(depth=4, units=10, steps=2)
        >>> ratio = {name: float(norms[0] / norms[-1]) for name, norms in numbers["updates"].items()}
        >>> ratio["sigmoid"] < 0.1 < ratio["tanh"]
        True
    """
    if depth % 2:
        raise ValueError(f"`depth` must be even. Received: depth={depth}")
    x, labels = _data.moons(count, seed)
    keras.utils.set_random_seed(seed)
    nets = {
        name: models.multilayer_perceptron(2, 2, hidden_units=(units,) * depth, activation=name, name=name)
        for name in ("sigmoid", "tanh", "relu")
    }
    nets["residual, relu"] = _residual(depth, units)
    updates = {name: _updates(net, x, labels, steps, rate, depth) for name, net in nets.items()}
    figure, ((axes,),) = panels(1, 1, width=5.2, height=4)
    for (name, norms), colour, mark in zip(updates.items(), COLOURS, MARKS, strict=False):
        axes.plot(range(1, depth + 1), norms, color=colour, marker=mark, label=name)
    logarithmic(axes, "y")
    axes.set(xlabel="hidden layer, from the input on", ylabel="norm of the update of its weights")
    axes.set(title=f"mean of {steps} steps of gradient descent")
    axes.legend(fontsize=8)
    return Drawing(figure, {"updates": updates})


def _residual(depth, units):
    """`z_l = relu(g(z_(l-2)) + z_(l-2))`, where `g` is a layer with a relu and one without."""
    features = keras.Input((2,), name="features")
    states, start = keras.layers.Dense(units, "relu", name="start")(features), {"kernel_initializer": "glorot_normal"}
    for place in range(0, depth, 2):
        inner = keras.layers.Dense(units, "relu", **start, name=f"hidden_{place}")(states)
        inner = keras.layers.Dense(units, **start, name=f"hidden_{place + 1}")(inner)
        states = keras.layers.Activation("relu", name=f"block_{place}")(keras.layers.add([states, inner]))
    return keras.Model(features, keras.layers.Dense(2, "softmax", name="probabilities")(states))


def _updates(net, x, labels, steps, rate, depth):
    net.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", run_eagerly=True)
    with tempfile.TemporaryDirectory() as folder:
        norms = UpdateNorms(Path(folder, "norms.csv"))
        net.fit(x, labels, batch_size=len(x), epochs=steps, callbacks=[norms], verbose=0)
        rows = list(norms.rows)
    return np.array(
        [np.mean([row["update"] for row in rows if row["layer"] == f"hidden_{place}"]) for place in range(depth)]
    )


@checked
def depth(*, layers: int = 5, count: int = 1025) -> Drawing:
    """A sawtooth that each layer of two units folds once more, beside one hidden layer of as many units.

    The tent `2 relu(x) - 4 relu(x - 1/2)`, applied `L` times, has `2^L` linear pieces; one layer of `2 L` units has at
    most `2 L + 1`.

    Reference: Pilanci, EE269 lecture 16 (2020), "Two layer networks are universal approximators" (deeper networks
    require fewer neurons); Telgarsky 2016, "Benefits of Depth in Neural Networks".

    Args:
        layers: `L`, at least 1.
        count: Points in [0, 1]; a multiple of `2^L`, plus 1, sees every corner.

    Returns:
        The figure; `pieces` and mean squared `error` of the "deep" and the "shallow" net, and the `units` of each.

    Example:
        >>> figure, numbers = depth(layers=3)
        >>> numbers["pieces"]["deep"], numbers["units"]
        (8, 6)
    """
    x = np.linspace(0, 1, count, dtype="float32")[:, None]
    wide = np.abs((x * 2 ** (layers - 1) + 0.5) % 1 - 0.5) * 2
    nets = {"deep": _folding(layers), "shallow": _widest(2 * layers, x, wide)}
    outputs = {name: numpy(net(x)) for name, net in nets.items()}
    error = {name: float(np.mean((output - wide) ** 2)) for name, output in outputs.items()}
    pieces = {name: _pieces(output[:, 0]) for name, output in outputs.items()}
    figure, (axes,) = panels(1, 2, width=4.4, height=3.2)
    titles = {"deep": f"{layers} layers of 2 units", "shallow": f"1 layer of {2 * layers} units"}
    for panel, name in zip(axes, nets, strict=True):
        panel.plot(x, wide, color="lightgrey", linewidth=4, label="sawtooth")
        panel.plot(x, outputs[name], color=COLOURS[name != "deep"], label="net")
        panel.set(
            title=f"{titles[name]}: {pieces[name]} pieces, error {error[name]:.2g}", xlabel="x", ylim=(-0.2, 1.35)
        )
        panel.legend(fontsize=8, ncols=2, loc="upper center")
    return Drawing(figure, {"pieces": pieces, "error": error, "units": 2 * layers})


def _folding(layers):
    model = models.multilayer_perceptron(
        1, 1, hidden_units=(2,) * layers, activation="relu", output_activation="linear"
    )
    tent = np.array([[2.0], [-4.0]])
    first, inner = np.array([[1.0, 1.0]]), tent @ np.array([[1.0, 1.0]])
    corner = np.array([0.0, -0.5])
    model.set_weights([first, corner, *[inner, corner] * (layers - 1), tent, np.zeros(1)])
    return model


def _widest(units, x, targets):
    """One layer with its corners in even distances, and the best output weights."""
    model = models.multilayer_perceptron(1, 1, hidden_units=(units,), activation="relu", output_activation="linear")
    corners = -np.arange(units) / units
    model.set_weights([np.ones((1, units)), corners, *solve(np.maximum(x + corners, 0), targets)])
    return model


def _pieces(values):
    """Linear pieces of a function given at points in even distances."""
    bends = np.abs(np.diff(values, 2)) > 1e-4
    return 1 + int(np.sum(bends & ~np.roll(bends, 1))) if len(bends) else 1


@checked
def overparametrisation(
    *,
    widths: tuple[int, ...] = (1, 2, 4, 8, 16, 64, 256),
    starts: int = 4,
    count: int = 8,
    steps: int = 4000,
    rate: float = 0.01,
    seed: int = 0,
) -> Drawing:
    """Wide two-layer ReLU nets meet every label, each start in another way: the descent, not the error, decides.

    Reference: Pilanci, EE269 lecture 16 (2020), "Overparametrization".

    Args:
        widths: Hidden units of each net.
        starts: Nets of the last width that start from other weights.
        count: Points with random labels -1 and 1.
        steps: Steps of Adam on all points.
        rate: Learning rate.
        seed: Seed of labels and weights.

    Returns:
        The figure; for each width the `error` on the points, for each start the `same` at the last width, and the
        `spread` between these nets: the standard deviation at the points and, at most, between them.

    Example:
        >>> figure, numbers = overparametrisation(widths=(1, 8), starts=2, steps=1)
        >>> len(numbers["error"]), len(numbers["same"])
        (2, 2)
    """
    keras.utils.set_random_seed(seed)
    x = np.linspace(-1, 1, count, dtype="float32")[:, None]
    labels = np.random.default_rng(seed).permutation(np.where(np.arange(count) % 2, 1.0, -1.0))[:, None]
    sizes = [*widths, *[widths[-1]] * starts]
    nets = [_net(units, place, steepness=1 + max(0, place + 1 - len(widths))) for place, units in enumerate(sizes)]
    descend(nets, x, labels, steps=steps, rate=rate)
    errors = [float(np.mean((numpy(net(x)) - labels) ** 2)) for net in nets]
    fine = np.linspace(-1.15, 1.15, 300, dtype="float32")[:, None]
    lines = np.stack([numpy(net(fine))[:, 0] for net in nets[len(widths) :]])
    at_points = np.stack([numpy(net(x))[:, 0] for net in nets[len(widths) :]])
    figure, ((left, right),) = panels(1, 2, width=4.4, height=3.6)
    for line, colour, style in zip(lines, COLOURS, ("-", "--", "-.", ":"), strict=False):
        left.plot(fine, line, style, color=colour)
    left.plot(x, labels, "o", color="black", label="labels")
    left.set(
        title=f"{starts} starts, {widths[-1]} units: error up to {max(errors[len(widths) :]):.1g}",
        xlabel="x",
        ylabel="f(x)",
    )
    left.legend(fontsize=8)
    right.plot(widths, np.maximum(errors[: len(widths)], 1e-8), "o-", color=COLOURS[0])
    logarithmic(right, "x", "y")
    right.set(
        title=f"{count} points, {steps} steps",
        xlabel="hidden units",
        ylabel="squared error on the points, at least 1e-8",
    )
    spread = {"at points": float(at_points.std(0).max()), "between": float(lines.std(0).max())}
    return Drawing(figure, {"error": errors[: len(widths)], "same": errors[len(widths) :], "spread": spread})


def _net(units, place, steepness):
    """A two-layer ReLU net with corners spread over the points; a larger steepness lets it start with steeper units."""
    net = models.multilayer_perceptron(
        1, 1, hidden_units=(units,), activation="relu", output_activation="linear", name=f"net_{place}"
    )
    kernel, _, outer, level = net.get_weights()
    corners = np.random.default_rng(place).uniform(-1, 1, units)
    steep = np.sign(kernel) * steepness
    net.set_weights([steep, -steep[0] * corners, outer, level])
    return net
