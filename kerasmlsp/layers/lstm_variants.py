"""The variants of the LSTM."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasmlsp")
class LSTMVariantCell(keras.layers.Layer):
    """An LSTM's cell of which parts are left out, added or coupled.

    From the input `x`, the output `y'` and the state `c'` of the step before:

        z = tanh(Wz x + Rz y' + bz)                 c = f c' + i z
        i = sigmoid(Wi x + Ri y' + pi c' + bi)      o = sigmoid(Wo x + Ro y' + po c + bo)
        f = sigmoid(Wf x + Rf y' + pf c' + bf)      y = o tanh(c)

    where a gate that is left out is 1, an activation that is left out the identity, and the products with `p` are there
    with `peepholes` only. With `gate_recurrence`, every gate also sees all gates of the step before through a matrix.
    `keras.layers.RNN(LSTMVariantCell(units, peepholes=True))` is a layer of it.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Variants of LSTMs"; Greff et al. 2017, "LSTM: A Search
    Space Odyssey"; Gers and Schmidhuber 2000, "Recurrent Nets that Time and Count" (peepholes).

    Args:
        units: Size of the state, at least 1.
        input_gate: Whether there is `i`.
        forget_gate: Whether there is `f`, whose bias starts at 1.
        output_gate: Whether there is `o`.
        input_activation: Whether `z` goes through `tanh`.
        output_activation: Whether `c` goes through `tanh`.
        peepholes: Whether gates see the state.
        coupled_gates: Whether `f` is `1 - i`.
        gate_recurrence: Whether gates see the gates of the step before, which then are states too.

    Call arguments:
        inputs: `(batch, features)`.
        states: `y'`, `c'` and, with `gate_recurrence`, the gates; `(batch, units)` each.

    Returns:
        `y`, `(batch, units)`, and the list of new states.

    Raises:
        ValueError: `units` is less than 1, or `coupled_gates` lacks a gate to couple.

    Example:
        >>> tuple(keras.layers.RNN(LSTMVariantCell(8, peepholes=True))(keras.ops.ones((2, 5, 3))).shape)
        (2, 8)
        >>> cell = LSTMVariantCell(8, coupled_gates=True)
        >>> cell.build((None, 3))
        >>> cell.count_params()  # candidate and two gates: 3 * 8 * (3 + 8 + 1)
        288
    """

    def __init__(
        self,
        units: int,
        input_gate: bool = True,
        forget_gate: bool = True,
        output_gate: bool = True,
        input_activation: bool = True,
        output_activation: bool = True,
        peepholes: bool = False,
        coupled_gates: bool = False,
        gate_recurrence: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"`units` must be at least 1. Received: units={units}")
        if coupled_gates and not (input_gate and forget_gate):
            raise ValueError(
                "`coupled_gates` must be False without both gates. "
                f"Received: coupled_gates={coupled_gates}, input_gate={input_gate}, forget_gate={forget_gate}"
            )
        self.units = units
        self.input_gate, self.forget_gate, self.output_gate = input_gate, forget_gate, output_gate
        self.input_activation, self.output_activation = input_activation, output_activation
        self.peepholes, self.coupled_gates, self.gate_recurrence = peepholes, coupled_gates, gate_recurrence
        # Those with weights of their own, in this order.
        present = {"input": input_gate, "forget": forget_gate and not coupled_gates, "output": output_gate}
        self.gates = [name for name, there in present.items() if there]
        self.state_size = [units] * (2 + len(self.gates) * gate_recurrence)
        self.output_size = units

    def build(self, inputs_shape):
        units, gates = self.units, len(self.gates)
        shapes = {"kernel": inputs_shape[-1], "recurrent_kernel": units}
        self.kernel, self.recurrent_kernel = (
            self.add_weight(name=name, shape=(size, (1 + gates) * units), initializer=start)
            for (name, size), start in zip(shapes.items(), ("glorot_uniform", "orthogonal"), strict=True)
        )
        self.bias = self.add_weight(name="bias", shape=((1 + gates) * units,), initializer=self._bias)
        if self.peepholes:
            self.peephole = self.add_weight(name="peephole", shape=(gates, units), initializer="zeros")
        if self.gate_recurrence:
            self.gate_kernel = self.add_weight(
                name="gate_kernel", shape=(gates * units, gates * units), initializer="orthogonal"
            )

    def _bias(self, shape, dtype=None):
        ones = [float(name == "forget") for name in ["candidate", *self.gates]]
        return ops.repeat(ops.convert_to_tensor(ones, dtype), self.units)

    def call(self, inputs, states):
        before, memory, *old = states
        sums = ops.matmul(inputs, self.kernel) + ops.matmul(before, self.recurrent_kernel) + self.bias
        candidate, *sums = ops.split(sums, 1 + len(self.gates), axis=-1)
        if self.gate_recurrence and self.gates:
            seen = ops.split(ops.matmul(ops.concatenate(old, axis=-1), self.gate_kernel), len(self.gates), axis=-1)
            sums = [each + more for each, more in zip(sums, seen, strict=True)]
        sums = dict(zip(self.gates, sums, strict=True))

        found = {name: self._open(name, sums, memory) for name in self.gates if name != "output"}
        entry = found.get("input", 1.0)
        forget = 1.0 - entry if self.coupled_gates else found.get("forget", 1.0)
        memory = forget * memory + entry * (ops.tanh(candidate) if self.input_activation else candidate)
        outputs = ops.tanh(memory) if self.output_activation else memory
        if self.output_gate:
            # Its peephole sees the new state.
            found["output"] = self._open("output", sums, memory)
            outputs = outputs * found["output"]
        return outputs, [outputs, memory, *(found.values() if self.gate_recurrence else ())]

    def _open(self, name, sums, memory):
        looked = memory * self.peephole[self.gates.index(name)] if self.peepholes else 0.0
        return ops.sigmoid(sums[name] + looked)

    def compute_output_shape(self, inputs_shape, states_shape=None):
        shape = (inputs_shape[0], self.units)
        return shape, [shape] * len(self.state_size)

    def get_config(self):
        names = ("units", "input_gate", "forget_gate", "output_gate", "input_activation", "output_activation")
        names += ("peepholes", "coupled_gates", "gate_recurrence")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
