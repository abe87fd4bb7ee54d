"""Optimizers that are faster than Keras's own where these are slow."""

import keras


@keras.saving.register_keras_serializable("kerasmlsp")
class AdamW(keras.optimizers.AdamW):
    """`keras.optimizers.AdamW` whose update of a variable is one operation.

    Same equations, state and arguments. On the TensorFlow backend, Keras goes over a variable and its moments some ten
    times a step, and once more for a decay of 0; here TensorFlow's own operation goes over them once. What a row of an
    embedding gets from several places of a batch is summed before it is squared, as on other backends, while Keras 3.15
    on TensorFlow sums the squares unless gradients are clipped.

    Falls back to Keras with `amsgrad`, under a distribution strategy, and on other backends.

    Reference: Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization"; Loshchilov and Hutter 2019, "Decoupled
    Weight Decay Regularization".

    Args:
        learning_rate: The rate, or its schedule.
        weight_decay: Decoupled weight decay, at least 0.
        **kwargs: As for `keras.optimizers.AdamW`.
    """

    def __init__(self, learning_rate=0.001, weight_decay=0.0, **kwargs):
        super().__init__(learning_rate, weight_decay, **kwargs)

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

    def _apply_weight_decay(self, variables):
        if self.weight_decay:
            super()._apply_weight_decay(variables)
