"""What the inputs of a saved model mean and which values they take, said in its card and checked in its graph."""

import dataclasses
import io
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Input:
    """What is known of an input besides its name, type and shape.

    Args:
        meaning: What it is, a sentence.
        least: Smallest number that is allowed.
        most: Largest number that is allowed.
        above: Bound that a number must be above.
        choices: The values that are allowed, numbers or texts; none for any.
        longest: Characters that a text may have; None for any number.
        default: Value that `SavedModel.call` takes in every row where none is given; None where one has to be.
        range: What is allowed, in words, where the other arguments do not say it.

    Example:
        >>> Input("Part of the probability that is drawn from.", above=0, most=1, default=1.0).allowed
        'above 0, at most 1'
        >>> Input("MIDI pitches; -1 where one is to be written, 0 for a rest.", choices=(-1, 0, *range(28, 89))).allowed
        'one of -1 to 0, 28 to 88'
        >>> Input("A text.", range="UTF-8", longest=100_000).allowed
        'UTF-8, at most 100,000 characters'
    """

    meaning: str
    least: float | None = None
    most: float | None = None
    above: float | None = None
    choices: Sequence[Any] = ()
    longest: int | None = None
    default: Any = None
    range: str = "any"

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        if self.choices:
            return f"one of {', '.join(_runs(self.choices))}"
        if self.longest is not None:
            return f"{self.range}, at most {self.longest:,} characters"
        if self.least is not None and self.most is not None:
            return f"{self.least:,} to {self.most:,}"
        limits = {"above": self.above, "at least": self.least, "at most": self.most}
        return ", ".join(f"{word} {limit:,}" for word, limit in limits.items() if limit is not None) or self.range

    def facts(self) -> dict[str, Any]:
        """What a model card says of it."""
        return {"meaning": self.meaning, "range": self.allowed, "default": self.default}

    def fits(self, values: "tf.Tensor") -> "tf.Tensor | None":
        """Which values are allowed, of the same shape; None where all are."""
        import tensorflow as tf

        if self.choices:
            return tf.reduce_any(values[..., None] == tf.constant(self.choices, values.dtype), axis=-1)
        compare = {tf.greater_equal: self.least, tf.less_equal: self.most, tf.greater: self.above}
        found = [each(values, tf.cast(limit, values.dtype)) for each, limit in compare.items() if limit is not None]
        return tf.reduce_all(tf.stack(found), axis=0) if found else None


def sampling(what: str, defaults: Mapping[str, Any]) -> dict[str, Input]:
    """Describes the inputs that say how one of several values is drawn each time.

    Args:
        what: What the values are called, as "characters".
        defaults: Default of `temperature`, `top_k` and `top_p`.

    Example:
        >>> found = sampling("characters", {"temperature": 0.8, "top_k": 0, "top_p": 1.0})
        >>> found["top_k"].meaning, found["top_p"].allowed
        ('Characters among which to draw; 0 for all.', 'above 0, at most 1')
    """
    likely = "Low for the likely, 0 for the likeliest each time, 1 for the net's own probabilities."
    top_p = f"Draw from the likeliest {what} that make up this probability."
    return {
        "temperature": Input(likely, least=0, most=1000, default=defaults["temperature"]),
        "top_k": Input(f"{what.capitalize()} among which to draw; 0 for all.", least=0, default=defaults["top_k"]),
        "top_p": Input(top_p, above=0, most=1, default=defaults["top_p"]),
    }


PICTURES = {
    "images": Input("Pictures, RGB, stretched to the size that the net sees.", range="0 to 255, of any size"),
    "encoded": Input("The bytes of a file with a picture.", range="JPEG, PNG, GIF or BMP, up to 64 million pixels"),
}
"""The inputs of saved models for pictures of any size."""


def example_pictures(size: int) -> np.ndarray:
    """Two pictures that are unlike each other, for answers to a batch to be compared with those to each alone.

    They are waves, since of noise hardly anything is left once it is stretched.

    Args:
        size: Height and width that the net sees; the pictures are a quarter larger.

    Returns:
        uint8 `(2, height, width, 3)`.

    Example:
        >>> example_pictures(64).shape
        (2, 80, 80, 3)
    """
    grid = np.linspace(0, 9, size * 5 // 4)
    waves = [np.sin(grid * turn)[:, None, None] + np.cos(grid)[None, :, None] * [1, -1, 0.5] for turn in (1, 3)]
    return np.stack([np.clip(127 + 60 * wave, 0, 255).astype(np.uint8) for wave in waves])


def picture_examples(functions: Mapping[str, tuple[Callable, Mapping[str, Any]]], size: int) -> dict[str, dict]:
    """Examples for `export` of functions that take `PICTURES`.

    Args:
        functions: Dict of name to the function and its input signature, as `export` takes it.
        size: As in `example_pictures`.

    Returns:
        Dict of name to the inputs by name: pixels, or the bytes of a PNG and a JPEG file.

    Example:
        >>> found = picture_examples({"serving_bytes": (print, {"encoded": "string"})}, size=64)
        >>> [file[1:4] for file in found["serving_bytes"]["encoded"]]
        [b'PNG', b'\xd8\xff\xe0']
    """
    from PIL import Image

    pictures, encoded = example_pictures(size), []
    for picture, format in zip(pictures, ("PNG", "JPEG"), strict=True):
        stream = io.BytesIO()
        Image.fromarray(picture).save(stream, format)
        encoded.append(stream.getvalue())
    made = {"images": pictures, "encoded": encoded}
    return {name: {each: made[each] for each in signature} for name, (_, signature) in functions.items()}


def check(endpoints: Iterable[Iterable[str]], inputs: Mapping[str, Input]) -> None:
    """Raises a `ValueError` unless every input of the endpoints, each a collection of names, is described.

    Example:
        >>> check([["text", "seed"]], {"text": Input("A text.")})
        Traceback (most recent call last):
        ValueError: `inputs` must describe every input of the endpoints; seed is missing. Received: ['text']
    """
    if missing := sorted({name for names in endpoints for name in names} - inputs.keys()):
        raise ValueError(
            f"`inputs` must describe every input of the endpoints; {', '.join(missing)} is missing. "
            f"Received: {sorted(inputs)}"
        )


def guarded(
    function: Callable[..., dict[str, "tf.Tensor"]],
    outputs: Mapping[str, "tf.TensorSpec"],
    specs: Mapping[str, "tf.TensorSpec"],
    inputs: Mapping[str, Input],
) -> Callable[..., dict[str, "tf.Tensor"]]:
    """Returns an endpoint's function that refuses what its inputs do not allow, and answers no rows with no rows.

    A shape or value that does not fit is TensorFlow's `InvalidArgumentError`, whose message names the input.

    Args:
        function: The function, of tensors in the order of `specs`.
        outputs: Name of each output to its `tf.TensorSpec`.
        specs: Name of each input to its `tf.TensorSpec`.
        inputs: Name of each input to what is known of it.

    Example:
        >>> import tensorflow as tf
        >>> spec, count = tf.TensorSpec([None], tf.int32), Input("How many.", least=1, most=9)
        >>> double = guarded(lambda count: {"twice": 2 * count}, {"twice": spec}, {"count": spec}, {"count": count})
        >>> double(tf.constant([4]))["twice"].numpy().tolist()
        [8]
    """
    import tensorflow as tf

    def answer(*tensors):
        given = _checked(dict(zip(specs, tensors, strict=True)), specs, inputs)
        rows = next(tf.shape(given[name])[0] for name, spec in specs.items() if spec.shape.rank)

        def nothing():
            return {name: tf.zeros([0, *(size or 0 for size in spec.shape[1:])], spec.dtype) for name, spec in found}

        found = outputs.items()
        # Kernels differ in what they make of no rows at all, so that they never meet them.
        return tf.cond(rows > 0, lambda: function(*given.values()), nothing)

    return answer


def _checked(tensors, specs, inputs):
    import tensorflow as tf

    # What is fed need not have the shape of the signature, which would be taken for granted in the graph.
    fed = {
        name: tf.raw_ops.PlaceholderWithDefault(input=each, shape=None, name=f"fed/{name}")
        for name, each in tensors.items()
    }
    # Of scalars TensorFlow takes it for granted all the same, and the error is that of `ensure_shape`.
    shapes = [_shape_fits(name, each, specs[name]) for name, each in fed.items() if specs[name].shape.rank]
    with tf.control_dependencies(_done(shapes)):
        shaped = {name: tf.ensure_shape(each, specs[name].shape) for name, each in fed.items()}
    values = [*_same_rows(shaped), *(_values_fit(name, each, inputs[name]) for name, each in shaped.items())]
    with tf.control_dependencies(_done(values)):
        return {name: tf.identity(each) for name, each in shaped.items()}


def _done(checks):
    """Those that are operations of a graph: outside of one they are over."""
    return [each for each in checks if each is not None]


def _shape_fits(name, tensor, spec):
    import tensorflow as tf

    shape, wanted = tf.shape(tensor), [-1 if size is None else size for size in spec.shape]
    # As many sizes as are wanted, whatever the rank; only the rows may be none.
    sizes = tf.pad(shape, [[0, len(wanted)]])[: len(wanted)]
    free = (tf.constant(wanted, tf.int32) < 0) & (sizes >= [0, *[1] * len(wanted)][: len(wanted)])
    fits = (tf.size(shape) == len(wanted)) & tf.reduce_all((sizes == wanted) | free)
    said = ", ".join(str(size or ("1 or more" if axis else "rows")) for axis, size in enumerate(spec.shape))
    return tf.debugging.Assert(fits, [f"`{name}` must have the shape ({said}). Received:", shape], summarize=8)


def _same_rows(tensors):
    import tensorflow as tf

    rows = {name: tf.shape(each)[0] for name, each in tensors.items() if each.shape.rank}
    (first, count), *others = rows.items()
    for name, each in others:
        yield tf.debugging.Assert(
            each == count, [f"`{name}` must have as many rows as `{first}`. Received:", each, "and", count]
        )


def _values_fit(name, tensor, known):
    import tensorflow as tf

    if known.longest is not None:
        longest = tf.reduce_max(tf.concat([[0], tf.reshape(tf.strings.length(tensor, "UTF8_CHAR"), [-1])], 0))
        said = f"`{name}` must have at most {known.longest:,} characters. Received:"
        return tf.debugging.Assert(longest <= known.longest, [said, longest])
    fits = known.fits(tensor)
    if fits is None:
        return None
    wrong = tf.boolean_mask(tf.reshape(tensor, [-1]), ~tf.reshape(fits, [-1]))[:3]
    if tensor.dtype != tf.string:
        wrong = tf.strings.as_string(wrong, shortest=tensor.dtype.is_floating)
    return tf.debugging.Assert(tf.reduce_all(fits), [f"`{name}` must be {known.allowed}. Received:", wrong])


def _runs(values):
    """Values as texts, neighbouring whole numbers as one: -1 to 0."""
    if not all(isinstance(value, int) for value in values):
        return [str(value) for value in values]
    runs = itertools.groupby(enumerate(sorted(values)), lambda pair: pair[1] - pair[0])
    ends = [[value for _, value in run] for _, run in runs]
    return [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in ends]
