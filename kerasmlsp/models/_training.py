"""What models with a training of their own have in common."""

from collections.abc import Callable

import keras


def train_step(model: keras.Model, train: Callable[[object], dict], arguments: tuple):
    """Runs `train(data)`, which changes the model's variables and returns the logs, as Keras's `train_step`.

    TensorFlow's trainer gives the data, that of JAX the values of all variables and the data, and wants the new values.
    """
    if keras.backend.backend() == "tensorflow":
        return train(*arguments)
    state, data = arguments
    groups = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    pairs = [pair for group in zip(groups, state, strict=True) for pair in zip(*group, strict=True)]
    with keras.StatelessScope(state_mapping=pairs) as scope:
        logs = train(data)
    return logs, tuple([scope.get_current_value(variable) for variable in group] for group in groups)
