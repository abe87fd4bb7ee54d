"""What layers of layers have in common."""

import keras


class Composite(keras.layers.Layer):
    """A layer of layers, which comes back from a `.keras` file quantized as it was.

    Keras's `quantize` changes the layers inside, of which the configuration of the layer around them says nothing.

    Example:
        >>> from kerasmlsp.layers import ResidualRecurrence
        >>> layer = ResidualRecurrence(units=4)
        >>> tuple(layer(keras.ops.ones((1, 3, 2))).shape)
        (1, 3, 4)
        >>> layer.change.quantize("int8")
        >>> list(layer.get_build_config()["quantized"])
        ['/change']
    """

    def get_build_config(self):
        parts = {_place(self, part): _form(part) for part in self._flatten_layers() if part.quantization_mode}
        config = super().get_build_config()
        return {**config, "quantized": parts} if parts else config

    def build_from_config(self, config):
        super().build_from_config(config)
        parts = {_place(self, part): part for part in self._flatten_layers() if part.path}
        for place, form in config.get("quantized", {}).items():
            parts[place].quantize(form["mode"], config=keras.saving.deserialize_keras_object(form["config"]))


def _place(layer, part):
    return part.path.removeprefix(layer.path)


def _form(part):
    return {"mode": part.quantization_mode, "config": keras.saving.serialize_keras_object(part.quantization_config)}
