"""Keras's optimizers where a row of an embedding counts once, and faster where these are slow; the rate's schedules."""

from typing import Any

import keras
from keras import ops

from kerasmlsp.training.settings import Settings


class _SummedRows:
    """Sums what a row of an embedding gets from several places of a batch, before anything else is done to it.

    On the TensorFlow backend the gradient of an embedding is a list of rows. Keras 3.15 clips the norm of that list,
    squares its rows one by one, and of several infinite ones that belong together sees only the last.
    """

    def apply(self, grads, trainable_variables=None):
        super().apply([_summed(gradient) for gradient in grads], trainable_variables)


def _summed(gradient):
    if keras.backend.backend() != "tensorflow":
        return gradient
    import tensorflow as tf

    return tf.convert_to_tensor(gradient) if isinstance(gradient, tf.IndexedSlices) else gradient


class _OneOperation:
    """Adam's update of a variable as one operation.

    On the TensorFlow backend, Keras goes over a variable and its moments some ten times a step; TensorFlow's own
    operation goes over them once. Falls back to Keras with `amsgrad`, under a distribution strategy, and on other
    backends.
    """

    def update_step(self, gradient, variable, learning_rate):
        if self.amsgrad or keras.backend.backend() != "tensorflow":
            return super().update_step(gradient, variable, learning_rate)
        import tensorflow as tf

        if tf.distribute.has_strategy():
            return super().update_step(gradient, variable, learning_rate)
        place, dtype = self._get_variable_index(variable), variable.dtype
        step = tf.cast(self.iterations + 1, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=(variable.value if isinstance(variable, keras.Variable) else variable).handle,
            m=self._momentums[place].value.handle,
            v=self._velocities[place].value.handle,
            beta1_power=tf.pow(tf.cast(self.beta_1, dtype), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, dtype), step),
            lr=tf.cast(learning_rate, dtype),
            beta1=tf.cast(self.beta_1, dtype),
            beta2=tf.cast(self.beta_2, dtype),
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.cast(tf.convert_to_tensor(gradient), dtype),
        )


@keras.saving.register_keras_serializable("kerasmlsp")
class AdamW(_SummedRows, _OneOperation, keras.optimizers.AdamW):
    """`keras.optimizers.AdamW` whose update of a variable is one operation.

    Same equations, state and arguments; a decay of 0 costs nothing. What a row of an embedding gets from several places
    of a batch is summed before it is clipped and squared, as on other backends.

    Reference: Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization"; Loshchilov and Hutter 2019, "Decoupled
    Weight Decay Regularization".

    Args:
        learning_rate: The rate, or its schedule.
        weight_decay: Decoupled weight decay, at least 0.
        **kwargs: As for `keras.optimizers.AdamW`.

    Example:
        >>> weights = keras.Variable([1.0, 1.0])
        >>> AdamW(0.1, weight_decay=0.5).apply([keras.ops.convert_to_tensor([0.0, 50.0])], [weights])
        >>> weights.numpy().round(3)  # the decay alone; the decay, and the rate for a gradient of any size
        array([0.95, 0.85], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 0.001,
        weight_decay: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(learning_rate, weight_decay, **kwargs)

    def _apply_weight_decay(self, variables):
        if self.weight_decay:
            super()._apply_weight_decay(variables)


@keras.saving.register_keras_serializable("kerasmlsp")
class Adam(_SummedRows, _OneOperation, keras.optimizers.Adam):
    """`keras.optimizers.Adam` whose update of a variable is one operation, and whose embeddings count a row once.

    Reference: Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization".

    Example:
        >>> weights = keras.Variable([1.0, 1.0])
        >>> Adam(0.1).apply([keras.ops.convert_to_tensor([0.1, 50.0])], [weights])
        >>> weights.numpy().round(3)  # the first step is as long as the rate, whatever the gradient
        array([0.9, 0.9], dtype=float32)
    """


@keras.saving.register_keras_serializable("kerasmlsp")
class RMSprop(_SummedRows, keras.optimizers.RMSprop):
    """`keras.optimizers.RMSprop` whose embeddings count a row once.

    Reference: Tieleman and Hinton 2012, "Neural Networks for Machine Learning", lecture 6.5.

    Example:
        >>> weights = keras.Variable([1.0, 1.0])
        >>> RMSprop(0.1).apply([keras.ops.convert_to_tensor([1.0, 50.0])], [weights])
        >>> weights.numpy().round(3)  # 1 - 0.1 / sqrt(0.1)
        array([0.684, 0.684], dtype=float32)
    """


@keras.saving.register_keras_serializable("kerasmlsp")
class SGD(_SummedRows, keras.optimizers.SGD):
    """`keras.optimizers.SGD` whose embeddings count a row once.

    Reference: Sutskever et al. 2013, "On the Importance of Initialization and Momentum in Deep Learning".

    Example:
        >>> import tensorflow as tf
        >>> table = keras.Variable([[0.0], [0.0]])
        >>> twice = tf.IndexedSlices(tf.constant([[3.0], [4.0]]), tf.constant([0, 0]), tf.constant([2, 1]))
        >>> SGD(1.0, global_clipnorm=1.0).apply([twice], [table])
        >>> table.numpy()  # -(3 + 4), clipped
        array([[-1.],
               [ 0.]], dtype=float32)
    """

    def apply(self, grads: list, trainable_variables: list | None = None) -> None:
        if self.momentum or self.clipnorm or self.global_clipnorm or self.clipvalue:
            super().apply(grads, trainable_variables)
        else:
            # Rows that are only added need no sum, and a large table is written at the rows of the batch alone.
            keras.optimizers.SGD.apply(self, grads, trainable_variables)


@keras.saving.register_keras_serializable("kerasmlsp")
class LossScaleOptimizer(_SummedRows, keras.optimizers.LossScaleOptimizer):
    """`keras.optimizers.LossScaleOptimizer` that finds every infinity in the gradient of an embedding.

    Under `mixed_float16` Keras puts its own around an optimizer in `compile`, unless it is given one. That looks at the
    last of the rows that a token has in a batch, so that an infinity in another becomes a NaN in the table.
    `build` uses this one.

    Reference: Micikevicius et al. 2018, "Mixed Precision Training".

    Args:
        inner_optimizer: The optimizer, such as `AdamW`.
        **kwargs: As for `keras.optimizers.LossScaleOptimizer`.

    Example:
        >>> weights, optimizer = keras.Variable([1.0]), LossScaleOptimizer(SGD(0.1), initial_scale=8.0)
        >>> optimizer.apply([keras.ops.convert_to_tensor([float("inf")])], [weights])
        >>> weights.numpy(), float(optimizer.dynamic_scale)  # no step, and a smaller scale
        (array([1.], dtype=float32), 4.0)
    """


@keras.saving.register_keras_serializable("kerasmlsp")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Raises the rate linearly from 0, then follows another schedule from its beginning.

    Reference: Goyal et al. 2017, "Accurate, Large Minibatch SGD"; Vaswani et al. 2017, "Attention Is All You Need".

    Args:
        schedule: A `LearningRateSchedule`, or a constant rate, that is followed after the warm-up.
        peak: The rate at the end of the warm-up.
        steps: Steps of the warm-up, at least 1.

    Raises:
        ValueError: `steps` is less than 1.

    Example:
        >>> rate = WarmUp(0.1, peak=0.1, steps=10)
        >>> [round(float(rate(step)), 3) for step in (0, 5, 10, 20)]
        [0.0, 0.05, 0.1, 0.1]
    """

    def __init__(self, schedule: keras.optimizers.schedules.LearningRateSchedule, peak: float, steps: float):
        if steps < 1:
            raise ValueError(f"`steps` must be at least 1. Received: steps={steps}")
        self.schedule, self.peak, self.steps = schedule, peak, steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        after = self.schedule(ops.maximum(step - self.steps, 0.0)) if callable(self.schedule) else self.schedule
        return ops.where(step < self.steps, self.peak * step / self.steps, after)

    def get_config(self) -> dict[str, Any]:
        schedule = self.schedule
        if callable(schedule):
            schedule = keras.saving.serialize_keras_object(schedule)
        return {"schedule": schedule, "peak": self.peak, "steps": self.steps}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "WarmUp":
        schedule = config["schedule"]
        if isinstance(schedule, dict):
            schedule = keras.saving.deserialize_keras_object(schedule)
        return cls(schedule, config["peak"], config["steps"])


def build(settings: Settings, steps: int, **arguments: float) -> keras.optimizers.Optimizer:
    """Makes the optimizer of a training with the schedule of its rate.

    The schedule follows the warm-up: "constant"; "cosine" or "linear", which fall to `final_rate` times the peak; or
    "step", which divides the rate by 10 after every `step_epochs` epochs.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Virtues & Limitations of BP"; Loshchilov and Hutter 2017,
    "SGDR: Stochastic Gradient Descent with Warm Restarts".

    Args:
        settings: Of the training, with a learning rate; `epochs` too for the schedule "step". A weight decay of None is
            0, as is a clipping of 0 none, and an average of 0 or None none.
        steps: Training steps in all, at least 1.
        **arguments: More arguments of the optimizer's class, as `beta_1`.

    Returns:
        The optimizer; under a global `mixed_float16` within a `LossScaleOptimizer`.

    Raises:
        ValueError: The learning rate or, for "step", the number of epochs is None, or `steps` is less than 1.

    Example:
        >>> settings = Settings(optimizer="sgd", learning_rate=0.1, schedule="linear", warmup=0.0)
        >>> optimizer = build(settings, steps=100)
        >>> type(optimizer).__name__, float(optimizer.learning_rate)
        ('SGD', 0.10000000149011612)
    """
    if settings.learning_rate is None or steps < 1:
        raise ValueError(
            f"`learning_rate` must be given, and `steps` be at least 1. Received: "
            f"learning_rate={settings.learning_rate}, steps={steps}"
        )
    kind: Any = {"adamw": AdamW, "adam": Adam, "rmsprop": RMSprop, "sgd": SGD}[settings.optimizer]
    decay = settings.weight_decay or 0.0
    made = kind(
        _rate(settings, steps),
        # Keras goes over all weights for a decay of 0; AdamW takes no None.
        weight_decay=decay if decay or kind is AdamW else None,
        global_clipnorm=settings.clip_norm or None,
        use_ema=bool(settings.ema),
        ema_momentum=settings.ema or 0.99,
        **({"momentum": settings.momentum} if kind is SGD else {}),
        **arguments,
    )
    return LossScaleOptimizer(made) if keras.config.dtype_policy().name == "mixed_float16" else made


def _rate(settings, steps):
    """The rate, or its schedule."""
    peak, rising = settings.learning_rate, int(settings.warmup * steps)
    falling, last = max(1, steps - rising), settings.final_rate
    schedules = keras.optimizers.schedules
    if settings.schedule == "cosine":
        rate = schedules.CosineDecay(peak, falling, alpha=last)
    elif settings.schedule == "linear":
        rate = schedules.PolynomialDecay(peak, falling, peak * last)
    elif settings.schedule == "step":
        rate = _stepped(settings, steps, rising)
    else:
        rate = peak
    return WarmUp(rate, peak, rising) if rising else rate


def _stepped(settings, steps, rising):
    if settings.epochs is None:
        raise ValueError('`epochs` must be given for the schedule "step". Received: epochs=None')
    drops = range(settings.step_epochs, settings.epochs, settings.step_epochs)
    # Keras's boundary is the last step of the rate before.
    boundaries = [max(0, steps * epoch // settings.epochs - rising - 1) for epoch in drops]
    rates = [settings.learning_rate / 10**number for number in range(len(drops) + 1)]
    return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates) if boundaries else rates[0]
