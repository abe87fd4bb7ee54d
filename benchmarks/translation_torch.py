"""The peer of `benchmarks.translation`: the same Transformer in eager PyTorch, greedy, with a cache of keys and values.

    python -m benchmarks.translation_torch --folder FOLDER

Started by `python -m benchmarks.translation --part speed --torch PYTHON` with a Python that has PyTorch and NumPy. For
every line on stdin it translates all batches in the folder and prints the seconds.
"""

import argparse
import json
import sys
import time
from pathlib import Path

START, STOP = 2, 3


class Net:
    """The net of `kerasmlsp.models.transformer_translator` with shared embeddings."""

    def __init__(self, weights, sizes):
        import torch

        self.torch, self.sizes = torch, sizes
        self.weights = {path: torch.from_numpy(value).contiguous() for path, value in weights.items()}
        self.table = self.weights["embedding/embeddings"]
        self.features = self.table.shape[1]
        self.heads = next(heads for heads in (4, 2, 1) if self.features % heads == 0)
        self.waves = self._waves(sizes["most"] + 2)

    def _waves(self, length):
        torch = self.torch
        rates = torch.exp(torch.arange(0, self.features, 2) * (-torch.log(torch.tensor(10_000.0)) / self.features))
        angles = torch.arange(length)[:, None] * rates
        return torch.stack([angles.sin(), angles.cos()], -1).reshape(length, self.features)

    def norm(self, name, values, epsilon):
        gamma, beta = self.weights[f"{name}/gamma"], self.weights[f"{name}/beta"]
        return self.torch.nn.functional.layer_norm(values, (self.features,), gamma, beta, epsilon)

    def dense(self, name, values):
        kernel, bias = self.weights[f"{name}/kernel"], self.weights[f"{name}/bias"]
        return self.torch.addmm(bias, values.reshape(-1, values.shape[-1]), kernel).reshape(*values.shape[:-1], -1)

    def split(self, values):
        batch, length, _ = values.shape
        return values.view(batch, length, self.heads, -1).transpose(1, 2)

    def attend(self, query, keys, values, mask):
        found = self.torch.nn.functional.scaled_dot_product_attention(query, keys, values, attn_mask=mask)
        return found.transpose(1, 2).reshape(query.shape[0], query.shape[2], self.features)

    def embed(self, ids, position):
        return self.table[ids] * self.features**0.5 + self.waves[position : position + ids.shape[1]]

    def encode(self, ids):
        functional = self.torch.nn.functional
        states, mask = self.embed(ids, 0), (ids != 0)[:, None, None]
        for i in range(1, self.sizes["num_layers"] + 1):
            name = f"encoder_{i}"
            inner = self.norm(f"{name}_attention_normalization", states, 1e-3)
            parts = [self.split(self.dense(f"{name}_attention/{part}", inner)) for part in ("query", "key", "value")]
            states = states + self.dense(f"{name}_attention/attention_output", self.attend(*parts, mask))
            inner = self.norm(f"{name}_feed_forward_normalization", states, 1e-3)
            hidden = functional.gelu(self.dense(f"{name}_hidden", inner))
            states = states + self.dense(f"{name}_feed_forward", hidden)
        return self.norm("memory", states, 1e-3), mask

    def translate(self, ids):
        torch, number = self.torch, self.sizes["num_layers"]
        memory, mask = self.encode(ids)
        names = [f"decoder_{i}" for i in range(1, number + 1)]
        kept = [
            [self.split(self.dense(f"{name}/memory_attention/{part}", memory)) for part in ("key", "value")]
            for name in names
        ]
        batch, most = len(ids), min(2 * ids.shape[1] + 10, self.sizes["most"])
        shape = (batch, self.heads, most, self.features // self.heads)
        caches = [(torch.empty(shape), torch.empty(shape)) for _ in names]
        tokens, ended = torch.full((batch, 1), START), torch.zeros(batch, dtype=torch.bool)
        written = []
        for position in range(most):
            states = self.embed(tokens, position)
            for name, (keys, values), memories in zip(names, caches, kept, strict=True):
                inner = self.norm(f"{name}/attention_norm", states, 1e-5)
                query, key, value = (
                    self.split(self.dense(f"{name}/attention/{part}", inner)) for part in ("query", "key", "value")
                )
                keys[:, :, position : position + 1], values[:, :, position : position + 1] = key, value
                found = self.attend(query, keys[:, :, : position + 1], values[:, :, : position + 1], None)
                states = states + self.dense(f"{name}/attention/output", found)
                query = self.split(
                    self.dense(f"{name}/memory_attention/query", self.norm(f"{name}/memory_norm", states, 1e-5))
                )
                states = states + self.dense(f"{name}/memory_attention/output", self.attend(query, *memories, mask))
                hidden = self.dense(f"{name}/widen", self.norm(f"{name}/norm", states, 1e-5)).relu()
                states = states + self.dense(f"{name}/narrow", hidden)
            logits = self.norm("norm", states, 1e-3)[:, 0] @ self.table.T
            logits[:, :STOP] = -1e9
            if position == 0:
                logits[:, STOP] = -1e9
            following = logits.argmax(1).masked_fill(ended, STOP)
            written.append(following)
            ended |= following == STOP
            if ended.all():
                break
            tokens = following[:, None]
        return torch.stack(written, 1)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="weights, batches and sizes of the benchmark")
    folder = parser.parse_args(arguments).folder
    import numpy as np
    import torch

    with np.load(folder / "weights.npz") as file:
        weights = {path.replace("|", "/"): file[path] for path in file.files}
    # Keras's own attention keeps its heads apart.
    for path in [path for path in weights if path.startswith("encoder_") and "_attention/" in path]:
        value = weights[path]
        if path.endswith("attention_output/kernel"):
            weights[path] = value.reshape(-1, value.shape[-1])
        elif path.endswith("/kernel"):
            weights[path] = value.reshape(value.shape[0], -1)
        else:
            weights[path] = value.reshape(-1)
    net = Net(weights, json.loads((folder / "sizes.json").read_text()))
    with np.load(folder / "batches.npz") as file:
        batches = [torch.from_numpy(file[str(number)]).long() for number in range(len(file.files))]
    with torch.inference_mode():
        for _ in sys.stdin:
            started = time.perf_counter()
            found = [net.translate(batch) for batch in batches]
            taken = time.perf_counter() - started
            units = [row for each in found for row in each.tolist()]
            (folder / "units.json").write_text(json.dumps(units))
            print(taken, flush=True)


if __name__ == "__main__":
    main()
