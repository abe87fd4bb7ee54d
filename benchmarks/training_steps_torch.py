"""The peer of `benchmarks.training_steps`: one net in PyTorch eager.

    python -m benchmarks.training_steps_torch --net lenet5 --steps 30

Started by `python -m benchmarks.training_steps --torch PYTHON` with a Python that has PyTorch and NumPy. For every line
on stdin it trains for that many steps and prints the seconds of one.
"""

import argparse
import itertools
import sys
import time

from benchmarks.training_steps import GPT, IMAGES, SPEECH, examples


def trainer(name, steps):
    """Function that trains a net for some steps and returns the seconds of one."""
    import torch

    net = TORCH[name]()
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    inputs, targets = (torch.from_numpy(each) for each in examples(name))
    inputs, targets = inputs.long() if name in ("lstm", "gpt") else inputs, targets.long()
    if name in IMAGES:
        inputs = inputs.permute(0, 3, 1, 2).contiguous()
    if name in SPEECH:
        inputs = inputs[:, None]

    def run():
        started = time.perf_counter()
        for _ in range(steps):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(inputs).flatten(0, -2), targets.flatten()).backward()
            optimizer.step()
        return (time.perf_counter() - started) / steps

    return run


def _lenet5():
    from torch import nn

    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )


def _conv_norm_relu(inputs, outputs, stride=1, relu=True):
    from torch import nn

    layers = [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)]
    return [*layers, nn.ReLU()] if relu else layers


def _resnet20():
    from torch import nn

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            branch = [*_conv_norm_relu(inputs, outputs, stride), *_conv_norm_relu(outputs, outputs, relu=False)]
            self.branch, self.stride, self.new = nn.Sequential(*branch), stride, outputs - inputs

        def forward(self, inputs):
            # Every other pixel, and zeros for the new channels, as ours.
            skipped = inputs[:, :, :: self.stride, :: self.stride]
            skipped = nn.functional.pad(skipped, (0, 0, 0, 0, self.new // 2, self.new // 2))
            return nn.functional.relu(self.branch(inputs) + skipped)

    widths = [16] + [width for width in (16, 32, 64) for _ in range(3)]
    blocks = [Block(a, b, 2 if b > a else 1) for a, b in itertools.pairwise(widths)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    return nn.Sequential(*_conv_norm_relu(3, 16), *blocks, *head)


def _speech_command_cnn():
    from torch import nn

    widths, layers = (1, 12, 24, 48, 48, 48), []
    for place, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        layers += _conv_norm_relu(inputs, outputs)
        layers += [nn.MaxPool2d(3, 2, 1)] if place < 3 else []
    # Thirteen frames and five bands are left of 98 and 40.
    head = [nn.MaxPool2d((13, 1)), nn.Dropout(0.2), nn.Flatten(), nn.Linear(48 * 5, 12)]
    return nn.Sequential(*layers, *head)


def _bc_resnet():
    import torch
    from torch import nn

    class SubSpectral(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.norm = nn.BatchNorm2d(5 * channels)

        def forward(self, states):
            batch, channels, frames, bands = states.shape
            parts = states.reshape(batch, channels, frames, 5, bands // 5).permute(0, 1, 3, 2, 4)
            parts = self.norm(parts.reshape(batch, 5 * channels, frames, bands // 5))
            parts = parts.reshape(batch, channels, 5, frames, bands // 5).permute(0, 1, 3, 2, 4)
            return parts.reshape(batch, channels, frames, bands)

    class Block(nn.Module):
        def __init__(self, inputs, outputs, dilation, halve):
            super().__init__()
            self.widen = None
            if inputs != outputs:
                self.widen = nn.Sequential(
                    nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
                )
            stride = (1, 2 if halve else 1)
            bands = nn.Conv2d(outputs, outputs, (1, 3), stride, (0, 1), groups=outputs, bias=False)
            self.bands = nn.Sequential(bands, SubSpectral(outputs))
            self.time = nn.Sequential(
                nn.Conv1d(outputs, outputs, 3, padding=dilation, dilation=dilation, groups=outputs, bias=False),
                *(nn.BatchNorm1d(outputs), nn.SiLU(), nn.Conv1d(outputs, outputs, 1, bias=False), nn.Dropout1d(0.1)),
            )

        def forward(self, inputs):
            states = self.bands(self.widen(inputs) if self.widen else inputs)
            states = states + self.time(states.mean(3))[..., None]
            return torch.relu(states if self.widen else states + inputs)

    layers, before = [nn.Conv2d(1, 48, 5, (1, 2), 2, bias=False), nn.BatchNorm2d(48), nn.ReLU()], 48
    for stage, (channels, blocks) in enumerate(zip((24, 36, 48, 60), (2, 2, 4, 4), strict=True)):
        for block in range(blocks):
            layers.append(Block(before, channels, 2**stage, block == 0 and stage in (1, 2)))
            before = channels
    collect = nn.Conv2d(60, 60, (5, 5), padding=(2, 0), groups=60, bias=False)
    head = [collect, nn.Conv2d(60, 96, 1, bias=False), nn.BatchNorm2d(96), nn.ReLU(), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*layers, *head, nn.Flatten(), nn.Linear(96, 12))


def _lstm():
    from torch import nn

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.lstm = nn.Embedding(10_000, 16), nn.LSTM(16, 32, batch_first=True)
            self.positive = nn.Linear(32, 2)

        def forward(self, ids):
            return self.positive(self.lstm(self.embedding(ids))[0][:, -1])

    return Classifier()


def _lstm_64():
    from torch import nn

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.positive = nn.LSTM(128, 64, batch_first=True), nn.Linear(64, 2)

        def forward(self, steps):
            return self.positive(self.lstm(steps)[0][:, -1])

    return Classifier()


def _gpt():
    import torch
    from torch import nn

    features, heads = GPT["features"], GPT["num_heads"]

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.LayerNorm(features), nn.LayerNorm(features)
            self.enter, self.leave = nn.Linear(features, 3 * features), nn.Linear(features, features)
            self.feed_forward = nn.Sequential(
                nn.Linear(features, 4 * features), nn.GELU(), nn.Linear(4 * features, features)
            )

        def forward(self, states):
            batch, length, _ = states.shape
            parts = self.enter(self.first(states)).reshape(batch, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
            found = nn.functional.scaled_dot_product_attention(*parts, is_causal=True)
            states = states + self.leave(found.transpose(1, 2).reshape(batch, length, features))
            return states + self.feed_forward(self.second(states))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.places = nn.Embedding(65, features), nn.Embedding(GPT["window"], features)
            self.blocks = nn.Sequential(*(Block() for _ in range(GPT["num_layers"])))
            self.head = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, 65))

        def forward(self, ids):
            return self.head(self.blocks(self.tokens(ids) + self.places(torch.arange(ids.shape[1]))))

    return Net()


TORCH = {
    "lenet5": _lenet5,
    "resnet20": _resnet20,
    "speech_command_cnn": _speech_command_cnn,
    "bc_resnet": _bc_resnet,
    "lstm": _lstm,
    "lstm_64": _lstm_64,
    "gpt": _gpt,
}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", choices=TORCH, required=True)
    parser.add_argument("--steps", type=int, default=30, help="steps of a measurement")
    parser.add_argument("--threads", type=int, help="threads to use; default: PyTorch's choice")
    options = parser.parse_args(arguments)
    if options.threads:
        import torch

        torch.set_num_threads(options.threads)
    run = trainer(options.net, options.steps)
    for _ in sys.stdin:
        print(run(), flush=True)


if __name__ == "__main__":
    main()
