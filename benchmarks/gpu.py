"""How fast GPT trains and writes on one GPU with JAX, beside what the GPU can do; TensorFlow is not needed.

    python -m benchmarks.gpu --text input.txt
    python -m benchmarks.gpu --parts ceilings,steps --json gpu.json
    python -m benchmarks.gpu --quick

Parts, each of whose rows stands beside its floor, the time that the ceilings leave no way to go below:
  ceilings    what the device does at most: a product of matrices in bfloat16, a copy, and the launch of a program
  steps       a training step of GPT 10.7M on the device, by precision, attention (fused or plain) and batch
  fit         the same step by `training.fit`, with batches from the host, beside the loop on the device
  learning    held-out nats per character over time, by nanoGPT's recipe for its 10.7M (1.47 in all); needs --text
  generation  tokens per second of `generation.fill`, at batch 1 to 2,048
Without --text the tokens are random. `--quick` takes tiny sizes, to try the command on a CPU.

Goals on an H200: at most 6 ms for a step of 64 x 256, at least 0.25 of the product's ceiling, `fit` at most 1.15 of the
loop, and at most 1.47 nats in 60 seconds and 1.45 in ten minutes.
"""

import argparse
import dataclasses
import functools
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.ratios import markdown

PARTS = ("ceilings", "steps", "fit", "learning", "generation")
VOCABULARY = 65


@dataclasses.dataclass(frozen=True)
class Plan:
    """Sizes of a measurement: the net, batches and steps of a call, what the ceilings move, and what is written."""

    net: dict = dataclasses.field(
        default_factory=lambda: {"features": 384, "num_layers": 6, "num_heads": 6, "window": 256}
    )
    batches: tuple = (64, 256)
    steps: int = 50
    rounds: int = 5
    product: int = 8192
    copied: int = 2**29
    written: tuple = (1, 8, 64, 512, 2048)
    length: int = 512
    learning: tuple = (5000, 100)


QUICK = Plan({"features": 32, "num_layers": 1, "num_heads": 2, "window": 16}, (4,), 3, 2, 128, 2**14, (2,), 8, (4, 2))


def seconds(call, *, rounds, target=0.2):
    """Median time of a call that returns arrays of the device; a round is long enough for the clock."""
    import jax

    def once(times):
        started = time.perf_counter()
        for _ in range(times):
            last = call()
        jax.block_until_ready(last)
        return (time.perf_counter() - started) / times

    once(2)
    times = max(1, int(target / max(once(1), 1e-6) / rounds))
    return statistics.median(once(times) for _ in range(rounds))


def ceilings(plan):
    """Floating-point operations, bytes moved and launches per second, of which all later shares are."""
    import jax
    import jax.numpy as jnp

    size = plan.product
    a, b = (jax.random.normal(jax.random.key(i), (size, size), jnp.bfloat16) for i in (0, 1))
    numbers, one = jnp.ones((plan.copied,), jnp.bfloat16), jnp.zeros(())
    product, scaled = jax.jit(jnp.matmul), jax.jit(lambda values: values * jnp.bfloat16(1.5))
    counted = jax.jit(lambda value: value + 1)
    return {
        "flops": 2 * size**3 / seconds(lambda: product(a, b), rounds=plan.rounds),
        "bytes": 2 * numbers.nbytes / seconds(lambda: scaled(numbers), rounds=plan.rounds),
        "launch": seconds(lambda: counted(one), rounds=plan.rounds),
    }


def settings(precision, steps):
    """nanoGPT's recipe for a text of a million characters."""
    from kerasmlsp import training

    recipe = {"learning_rate": 1e-3, "schedule": "cosine", "warmup": 0.02, "final_rate": 0.1, "weight_decay": 0.1}
    return training.Settings(**recipe, precision=precision, epochs=steps, monitor="loss")


def net(plan, precision, *, dropout=0.2, steps=5000):
    """The compiled net, its optimizer built."""
    import keras

    from kerasmlsp import models, optimizers, training

    known = settings(precision, steps)

    def build():
        model = models.gpt(VOCABULARY, **plan.net, dropout=dropout)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizers.build(known, steps), loss)
        return model

    return training.built(build, known), build


def work(model, plan, batch):
    """Floating-point operations of a step, with all pairs of tokens counted, and the bytes that it must move."""
    layers, window, features = (plan.net[name] for name in ("num_layers", "window", "features"))
    tokens = batch * window
    shapes = [variable.shape for variable in model.trainable_variables if "embedding" not in variable.path]
    matrices = sum(shape[0] * shape[1] for shape in shapes if len(shape) == 2)
    # Weights, two moments and gradients of Adam in float32: four are read, three written.
    adam = model.count_params() * 4 * 7
    # Some 17 vectors of a block are kept for the backward pass, written and read once, in bfloat16.
    states = 2 * 2 * 17 * layers * tokens * features
    return 6 * matrices * tokens + 12 * layers * window * features * tokens, adam + states


def on_device(model, plan, batch, count):
    """Function `(state, text, key) -> (state, losses)` of `count` steps in one call, and the first state."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    window = plan.net["window"]
    model._symbolic_build(data_batch=(np.zeros((batch, window), "int32"),) * 2)
    kinds = ("trainable", "non_trainable", "optimizer", "metrics")
    state = model._get_jax_state(**{f"{kind}_variables": True for kind in kinds})

    @functools.partial(jax.jit, donate_argnums=0)
    def run(state, text, key):
        def one(state, key):
            begin = jax.random.randint(key, (batch,), 0, text.shape[0] - window - 1)
            rows = text[begin[:, None] + jnp.arange(window + 1)]
            logs, state = model.train_step(state, (rows[:, :-1], rows[:, 1:]))
            return state, logs["loss"]

        return jax.lax.scan(one, state, jax.random.split(key, count))

    # Copies, since the call takes over what it is given, and lists, as a step returns them.
    return run, jax.tree.map(jnp.copy, tuple(list(part) for part in state))


def measure_steps(plan, text, ceiling, options):
    """Milliseconds of a step by precision, attention and batch."""
    import jax
    import jax.numpy as jnp
    import keras

    kinds = [("float32", "plain"), ("mixed_bfloat16", "plain"), ("mixed_bfloat16", "fused")]
    rows, ids = [], jnp.asarray(text)
    for precision, attention in kinds if jax.default_backend() == "gpu" else kinds[:2]:
        for batch in plan.batches:
            turn = keras.config.enable_flash_attention if attention == "fused" else keras.config.disable_flash_attention
            turn()
            model, _ = net(plan, precision)
            run, state = on_device(model, plan, batch, plan.steps)
            held = [state]

            def call(run=run, held=held):
                held[0], losses = run(held[0], ids, jax.random.key(0))
                return losses

            taken = seconds(call, rounds=plan.rounds) / plan.steps
            flops, moved = work(model, plan, batch)
            floor = max(flops / ceiling["flops"], moved / ceiling["bytes"])
            row = {"precision": precision, "attention": attention, "batch": batch, "ms": 1e3 * taken}
            row |= {"floor_ms": 1e3 * floor, "share_of_product": flops / taken / ceiling["flops"]}
            rows.append({**row, "tokens_per_s": batch * plan.net["window"] / taken})
    keras.config.enable_flash_attention()
    return rows


def windows(text, window, batch, count):
    """`keras.utils.PyDataset` of random windows, made on the host."""
    import keras
    import numpy as np

    class Windows(keras.utils.PyDataset):
        epoch, num_batches = 0, count

        def __getitem__(self, index):
            begin = np.random.default_rng([self.epoch, index]).integers(0, len(text) - window - 1, batch)
            rows = text[begin[:, None] + np.arange(window + 1)]
            return rows[:, :-1], rows[:, 1:]

        def on_epoch_end(self):
            self.epoch += 1

    return Windows()


def measure_fit(plan, text, ceiling, options):
    """A step by `training.fit`, and the same on the device alone."""
    import jax
    import jax.numpy as jnp
    import keras

    from kerasmlsp import training

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.started = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            times.append((time.perf_counter() - self.started) / count)

    times, batch, count = [], plan.batches[0], 10 * plan.steps
    precision = "mixed_bfloat16" if training.has_fast_bfloat16() else "float32"
    model, build = net(plan, precision)
    run, state = on_device(model, plan, batch, count)
    ids, held = jnp.asarray(text), [state]

    def call():
        held[0], losses = run(held[0], ids, jax.random.key(0))
        return losses

    loop = seconds(call, rounds=plan.rounds) / count
    with tempfile.TemporaryDirectory() as folder:
        data = windows(text, plan.net["window"], batch, count)
        training.fit(build, data, folder, settings(precision, 1 + plan.rounds), callbacks=[Clock()])
    # The first epoch compiles.
    fitted = statistics.median(times[1:])
    row = {"precision": precision, "batch": batch, "fit_ms": 1e3 * fitted, "loop_ms": 1e3 * loop}
    return [{**row, "ratio": fitted / loop, "goal": "<= 1.15"}]


def measure_learning(plan, text, ceiling, options):
    """Held-out nats per character over the seconds of training; the last tenth of the text is held out."""
    import jax
    import jax.numpy as jnp

    total, count = plan.learning
    window, batch, cut = plan.net["window"], plan.batches[0], int(0.9 * len(text))
    model, _ = net(plan, "auto", steps=total)
    run, state = on_device(model, plan, batch, count)
    train, held = jnp.asarray(text[:cut]), text[cut:]
    rows = min((len(held) - 1) // window, 16 * batch if plan is QUICK else len(held))
    x, y = held[: rows * window].reshape(rows, window), held[1 : rows * window + 1].reshape(rows, window)

    @jax.jit
    def nats(state, x, y):
        logits, _ = model.stateless_call(state[0], state[1], x, training=False)
        found = jax.nn.log_softmax(logits.astype("float32"))
        return -jnp.take_along_axis(found, y[..., None], -1).sum()

    jax.block_until_ready(run(jax.tree.map(jnp.copy, state), train, jax.random.key(0)))  # compiles
    spent, key, found = 0.0, jax.random.key(1), []
    for done in range(count, total + 1, count):
        key, now = jax.random.split(key)
        started = time.perf_counter()
        state, losses = run(state, train, now)
        jax.block_until_ready(losses)
        spent += time.perf_counter() - started
        if done // count % 5 == 0 or done == total:
            loss = sum(float(nats(state, x[i : i + batch], y[i : i + batch])) for i in range(0, rows, batch)) / x.size
            best = min([loss, *(row["best"] for row in found)])
            row = {"steps": done, "seconds": spent, "training": float(losses[-1])}
            found.append({**row, "held_out": loss, "best": best})
        if spent > 60 * options.minutes:
            break
    return found


def measure_generation(plan, text, ceiling, options):
    """Tokens per second, beside the reading of weights, keys and values once a token."""
    import jax
    import jax.numpy as jnp
    import keras

    from kerasmlsp import generation, models

    layers, window, features = (plan.net[name] for name in ("num_layers", "window", "features"))
    rows = []
    for precision, size in (("float32", 4), ("bfloat16", 2)):
        keras.config.set_dtype_policy(precision)
        model = models.gpt(VOCABULARY, **plan.net)
        keras.config.set_dtype_policy("float32")
        decoder, weights = generation.stepwise(model), [variable.value for variable in model.variables]

        @jax.jit
        def fill(weights, seeds, template, decoder=decoder, model=model):
            # Arguments, since XLA would work out constants while it compiles.
            with keras.StatelessScope(list(zip(model.variables, weights, strict=True))):
                return generation.fill(decoder, template, seeds=seeds, temperature=0.8)[0]

        for batch in plan.written:
            template, seeds = jnp.full((batch, plan.length), generation.FREE, "int32"), jnp.arange(batch)
            taken = seconds(functools.partial(fill, weights, seeds, template), rounds=plan.rounds) / plan.length
            # The ring of keys and values is read whole, whatever is in it.
            moved = size * (model.count_params() + 2 * layers * window * features * batch)
            floor = moved / ceiling["bytes"]
            row = {"precision": precision, "batch": batch, "us_per_token": 1e6 * taken, "floor_us": 1e6 * floor}
            rows.append({**row, "share_of_floor": floor / taken, "tokens_per_s": batch / taken})
    return rows


def read(path, size=1_000_000):
    """Token ids of a text, of its 64 most frequent characters and one for all others; random ones without a text."""
    import numpy as np

    if not path:
        return np.random.default_rng(0).integers(0, VOCABULARY, size).astype("int32")
    characters = list(Path(path).read_text(encoding="utf-8"))
    values, places, counts = np.unique(characters, return_inverse=True, return_counts=True)
    ranks = np.empty(len(values), "int32")
    ranks[np.argsort(-counts, kind="stable")] = np.arange(len(values))
    return np.minimum(ranks, VOCABULARY - 1)[places]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, help="text to learn; the goals are for tiny Shakespeare")
    parser.add_argument("--parts", default=",".join(PARTS), help="with commas between (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=10.0, help="most training of the part learning")
    parser.add_argument("--quick", action="store_true", help="tiny sizes")
    parser.add_argument("--json", type=Path, help="file for all numbers")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts.split(",")) - set(PARTS):
        parser.error(f"--parts must be of {', '.join(PARTS)}. Received: {', '.join(sorted(unknown))}")
    os.environ["KERAS_BACKEND"] = "jax"
    if options.quick:
        os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")  # else all of it is compilation
    import jax
    import keras

    plan, text = QUICK if options.quick else Plan(), read(options.text)
    device = {"device": jax.devices()[0].device_kind, "jax": jax.__version__, "keras": keras.__version__}
    ceiling = ceilings(plan)
    found = {"machine": [device], "ceilings": [ceiling]}
    shown = {"bfloat16_tflop_per_s": ceiling["flops"] / 1e12, "copy_gb_per_s": ceiling["bytes"] / 1e9}
    print(f"{device}\n\n{markdown([{**shown, 'launch_us': 1e6 * ceiling['launch']}], '.4g')}", flush=True)
    measures = {"steps": measure_steps, "fit": measure_fit, "learning": measure_learning}
    for part, measure in {**measures, "generation": measure_generation}.items():
        if part in options.parts.split(",") and (part != "learning" or options.text or options.quick):
            found[part] = measure(plan, text, ceiling, options)
            print(f"\n{part}\n{markdown(found[part], '.4g')}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
