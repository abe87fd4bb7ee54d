"""Sequences: where attention looks, in translations and in a sentence itself."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasmlsp import generation, models
from kerasmlsp.figures import _made
from kerasmlsp.figures._drawing import COLOURS, MARKS, Drawing, checked, panels, pixels
from kerasmlsp.figures._fitting import numpy
from kerasmlsp.figures._sequences import attention_of, filler, learn, share
from kerasmlsp.layers import ScaledDotProductAttention
from kerasmlsp.metrics import translation

_START, _END = _made.START, _made.END


@checked
def alignment(
    *,
    sentence: str = "the black dog follows a white cat",
    steps: int = 300,
    units: int = 32,
    batch: int = 64,
    rate: float = 0.01,
    seed: int = 0,
) -> Drawing:
    """Where a translator with additive attention looks in an English sentence while it writes each French word.

    The net learns made sentences, in which the colour comes before the noun in English and after it in French.

    Reference: Ganapathy, MLSP 2025, "Encoder - Decoder Networks with Attention"; Bahdanau, Cho and Bengio 2015, "Neural
    Machine Translation by Jointly Learning to Align and Translate" (figure 3).

    Args:
        sentence: Words that the made sentences have, such as the default's.
        steps: Steps of Adam, each on new sentences.
        units: Size of all states and vectors.
        batch: Sentences of a step.
        rate: Learning rate.
        seed: Seed of sentences and weights.

    Returns:
        The figure; the `source` and `target` words, and the `attention`, `(target, source)`, the last row and column of
        which are of the sentence's end.

    Example:
        >>> figure, numbers = alignment(sentence="a king sees the cat", steps=1, units=4, batch=2)
        >>> numbers["source"]
        ['a', 'king', 'sees', 'the', 'cat', 'end']
    """
    net = _translator("additive attention", units, seed)
    _taught(net, steps, batch, rate, seed, (2,))
    words = sentence.split()
    ids = _made.numbered([[*words, "</s>"]], _made.ENGLISH, len(words) + 1)
    written = _written(net, ids, 10)[0]
    length = int(np.argmax(written == _END)) + 1 if (written == _END).any() else len(written)
    before = np.concatenate([[_START], written[: length - 1]]).astype("int32")[None]
    weights = numpy(net({"source_ids": ids, "target_ids": before})["attention"])[0]
    target = [_made.FRENCH[place] for place in written[:length]]
    source, target = [*words, "end"], ["end" if word == "</s>" else word for word in target]
    figure, ((axes,),) = panels(1, 1, width=5.4, height=4.4)
    shown = share(axes, weights, target, source, "share of attention in the source, by the word that is written")
    figure.colorbar(shown, ax=axes, fraction=0.05)
    return Drawing(figure, {"source": source, "target": target, "attention": weights})


_TRANSLATORS: dict[str, Callable[..., Any]] = {
    "without attention": models.text_encoder_decoder,
    "additive attention": models.additive_attention_encoder_decoder,
    "multiplicative attention": models.multiplicative_attention_encoder_decoder,
}


def _translator(name, units, seed):
    keras.utils.set_random_seed(seed)
    extra = {"attention_units": units} if name == "additive attention" else {}
    sizes = (len(_made.ENGLISH), len(_made.FRENCH))
    return _TRANSLATORS[name](*sizes, embedding_dim=units, units=units, dropout=0.0, **extra)


def _taught(net, steps, batch, rate, seed, phrases):
    english, french = _made.translations(steps * batch, seed, phrases)
    longest = 4 * max(phrases) + 1
    source = _made.numbered([[*words, "</s>"] for words in english], _made.ENGLISH, longest)
    after = _made.numbered([[*words, "</s>"] for words in french], _made.FRENCH, longest)
    before = np.concatenate([np.full((len(after), 1), _START, "int32"), after[:, :-1]], axis=1)
    # One whose output is the logits alone, and no weights of attention.
    output = net.output["logits"] if isinstance(net.output, dict) else net.output
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    given = {"source_ids": source, "target_ids": before}
    learn([keras.Model(net.input, output)], given, after, batch=batch, rate=rate, loss=loss)


def _written(net, ids, length):
    """The likeliest word at each place, one after another, `(sentences, length)`."""
    decoder = generation.stepwise(net, {"source_ids": keras.ops.convert_to_tensor(ids)})
    free = keras.ops.full((len(ids), length), generation.FREE, "int32")
    seeds = keras.ops.zeros((len(ids),), "int32")
    return numpy(generation.fill(decoder, free, seeds=seeds, temperature=0.0, stop=_END, start=_START)[0])


@checked
def translation_quality(
    *,
    steps: int = 300,
    units: int = 32,
    batch: int = 64,
    phrases: tuple[int, ...] = (1, 2, 3, 4, 5, 6),
    learnt: tuple[int, ...] = (2, 3, 4),
    tested: int = 30,
    rate: float = 0.01,
    seed: int = 0,
) -> Drawing:
    """How well three translators do with short and long sentences: one that puts all into a state, two with attention.

    The nets learn made sentences of English and French, of lengths in the middle.

    Reference: Ganapathy, MLSP 2025, "English French Translation Quality" and "Encoder - Decoder Networks with
    Attention"; Bahdanau, Cho and Bengio 2015, "Neural Machine Translation by Jointly Learning to Align and Translate"
    (figure 2); Popovic 2015, "chrF: Character n-gram F-score for Automatic MT Evaluation".

    Args:
        steps: Steps of Adam, each on new sentences.
        units: Size of all states and vectors.
        batch: Sentences of a step.
        phrases: Noun phrases of the sentences that are translated.
        learnt: Noun phrases of those that the nets learn.
        tested: New sentences of each length.
        rate: Learning rate.
        seed: Seed of sentences and weights.

    Returns:
        The figure; the mean number of `words` of the sentences of each length, and by the name of the net the `chrF` of
        their translations, 0 to 100, and the share that is `right` in every word.

    Example:
        >>> options = {"steps": 1, "units": 4, "batch": 2, "learnt": (1,), "phrases": (1,), "tested": 2}
        >>> figure, numbers = translation_quality(**options)
        >>> list(numbers["chrF"])
        ['without attention', 'additive attention', 'multiplicative attention']
    """
    tests = [_made.translations(tested, seed + 1, (count,)) for count in phrases]
    numbers: dict = {"words": [float(np.mean([len(each) for each in english])) for english, _ in tests]}
    numbers |= {"chrF": {}, "right": {}}
    for name in _TRANSLATORS:
        net = _translator(name, units, seed)
        _taught(net, steps, batch, rate, seed, learnt)
        scores = [_scored(net, *test) for test in tests]
        numbers["chrF"][name], numbers["right"][name] = ([row[place] for row in scores] for place in (0, 1))
    figure, (axes,) = panels(1, 2, width=4.6, height=3.7)
    for panel, what in zip(axes, ("chrF", "right"), strict=True):
        for (name, values), colour, mark in zip(numbers[what].items(), COLOURS, MARKS, strict=False):
            panel.plot(numbers["words"], values, color=colour, marker=mark, label=name)
        inside = [numbers["words"][place] for place, count in enumerate(phrases) if count in learnt]
        if inside:
            panel.axvspan(min(inside), max(inside), color="whitesmoke", zorder=0, label="lengths that were learnt")
        panel.set(xlabel="words of the source", ylim=(0, None))
    axes[0].set(ylabel="chrF", title=f"quality after {steps} steps")
    axes[1].set(ylabel="share of sentences", title="right in every word")
    axes[0].legend(fontsize=8)
    return Drawing(figure, numbers)


def _scored(net, english, french):
    longest = max(len(each) for each in english) + 1
    ids = _made.numbered([[*words, "</s>"] for words in english], _made.ENGLISH, longest)
    found = []
    for row in _written(net, ids, longest + 1):
        length = int(np.argmax(row == _END)) if (row == _END).any() else len(row)
        found.append(" ".join(_made.FRENCH[place] for place in row[:length]))
    wanted = [" ".join(words) for words in french]
    right = float(np.mean([one == other for one, other in zip(found, wanted, strict=True)]))
    return translation.corpus_chrf(translation.chrf(found, wanted)), right


@checked
def self_attention(
    *, sentence: str = "I am a student", features: int = 32, steps: int = 400, batch: int = 64, seed: int = 0
) -> Drawing:
    """Self-attention step by step on "I am a student": queries, keys and values, scores, shares, and what comes out.

    The block is that of a masked language model of one head which learnt made sentences: which verb and which noun come
    depends on who it is.

    Reference: Ganapathy, MLSP 2025, "Transformers - self-attention"; Vaswani et al. 2017, "Attention Is All You Need".

    Args:
        sentence: Words of the made sentences; `[MASK]` stands for a hidden one.
        features: Size of the vectors.
        steps: Steps of Adam, each on new sentences.
        batch: Sentences of a step.
        seed: Seed of sentences and weights.

    Returns:
        The figure; the `scores` `q . k`, the `weights`, which are the softmax of the scores over the root of
        `features`, and `without` that root, all `(words, words)`; the `outputs`, `(words, features)`; and the mean
        `entropy` of a row of both kinds of shares, in nats.

    Example:
        >>> figure, numbers = self_attention(features=4, steps=1, batch=2)
        >>> numbers["weights"].shape, numbers["weights"].sum(axis=1).round(3).tolist()
        ((4, 4), [1.0, 1.0, 1.0, 1.0])
    """
    net, words = filler(features=features, heads=1, steps=steps, seed=seed, batch=batch), sentence.split()
    known = (*_made.AGREEING, _made.HIDDEN)
    found = attention_of(net, _made.numbered([words], known, len(words)))
    queries, keys, values = (found[name][:, 0] for name in ("queries", "keys", "values"))
    scores = (queries @ keys.swapaxes(1, 2))[0]
    outputs, weights = (numpy(each)[0] for each in ScaledDotProductAttention()(queries, keys, values))
    without = numpy(keras.ops.softmax(keras.ops.convert_to_tensor(scores)))
    entropy = {name: _entropy(each) for name, each in (("weights", weights), ("without", without))}
    vectors = {"X": found["inputs"][0], "Q": queries[0], "K": keys[0], "V": values[0]}
    figure = _draw_steps(words, vectors, scores, (weights, without), outputs)
    return Drawing(
        figure, {"scores": scores, "weights": weights, "without": without, "outputs": outputs, "entropy": entropy}
    )


def _draw_steps(words, vectors, scores, shares, outputs):
    figure, grid = panels(2, 4, width=2.9, height=2.5)
    for axes, (name, each) in zip(grid[0], vectors.items(), strict=True):
        pixels(axes, each, name, cmap="PuOr", vmin=-np.abs(each).max(), vmax=np.abs(each).max(), aspect="auto")
        axes.set_yticks(range(len(words)), words, fontsize=8)
    most = np.abs(scores).max()
    shown = pixels(grid[1, 0], scores, "scores Q Kᵀ", cmap="PuOr", vmin=-most, vmax=most)
    for row, column in np.ndindex(scores.shape):
        dark = abs(scores[row, column]) > 0.6 * most
        ink = {"ha": "center", "va": "center", "fontsize": 7, "color": "white" if dark else "black"}
        grid[1, 0].text(column, row, f"{scores[row, column]:.1f}", **ink)
    grid[1, 0].set_yticks(range(len(words)), words, fontsize=8)
    figure.colorbar(shown, ax=grid[1, 0], fraction=0.05)
    for axes, each, title in zip(grid[1, 1:3], shares, ("scores / √d", "scores alone"), strict=True):
        share(axes, each, words, words, f"softmax of {title}")
    pixels(grid[1, 3], outputs, "outputs: shares times V", cmap="PuOr", aspect="auto")
    grid[1, 3].set_yticks(range(len(words)), words, fontsize=8)
    return figure


def _entropy(shares):
    return float(-np.sum(shares * np.log(np.maximum(shares, 1e-12)), axis=-1).mean())


@checked
def attention_heads(
    *,
    heads: int = 2,
    letters: int = 5,
    length: int = 8,
    features: int = 32,
    steps: int = 500,
    batch: int = 64,
    rate: float = 5e-3,
    seed: int = 0,
) -> Drawing:
    """Where each head of a Transformer's block looks that is to name the letters on both sides of every place.

    Nobody tells the heads who looks where; they share the work.

    Reference: Ganapathy, MLSP 2025, "Multi-head"; Vaswani et al. 2017, "Attention Is All You Need"; Clark et al. 2019,
    "What Does BERT Look At? An Analysis of BERT's Attention" (heads that attend to the next or previous token).

    Args:
        heads: Heads, which divide the features.
        letters: Different letters.
        length: Letters of a sequence.
        features: Size of the vectors.
        steps: Steps of Adam, each on new sequences.
        batch: Sequences of a step.
        rate: Learning rate.
        seed: Seed of sequences and weights.

    Returns:
        The figure; the `accuracy` on 200 new sequences, inner places alone; the mean share of each head that goes to
        the letter `before`, to the letter `after` and to the place `itself`; and the mean `weights` `(heads, length,
        length)`.

    Example:
        >>> figure, numbers = attention_heads(letters=2, length=4, features=4, steps=1, batch=2)
        >>> len(numbers["before"]), numbers["weights"].shape
        (2, (2, 4, 4))
    """
    keras.utils.set_random_seed(seed)
    # Ids from 2 on are letters, and pairs of them the targets.
    net = models.masked_language_model(
        max(letters + 2, letters**2),
        max_length=length,
        features=features,
        num_layers=1,
        num_heads=heads,
        feed_forward_dim=4 * features,
        dropout=0.0,
    )
    (ids, pairs), (others, wanted) = (
        _neighbours(count, length, letters, seed + place) for place, count in enumerate((steps * batch, 200))
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    learn([net], ids, pairs, batch=batch, rate=rate, loss=loss)
    inner = wanted >= 0
    accuracy = float(np.mean((numpy(net(others)).argmax(-1) == wanted)[inner]))
    weights = attention_of(net, others)["weights"].mean(0)
    shifts = {"before": -1, "itself": 0, "after": 1}
    looks = {
        name: [float(np.diagonal(each[1:-1], 1 + shift).mean()) for each in weights] for name, shift in shifts.items()
    }
    figure, (axes,) = panels(1, heads + 1, width=3, height=3)
    places = [str(place + 1) for place in range(length)]
    for number, (panel, each) in enumerate(zip(axes, weights, strict=False), 1):
        share(panel, each, places, places, f"head {number}: mean share by place")
    for (name, values), shift, colour in zip(looks.items(), (-0.25, 0, 0.25), COLOURS, strict=False):
        axes[-1].bar(np.arange(heads) + 1 + shift, values, 0.25, color=colour, label=name)
    axes[-1].set(xticks=range(1, heads + 1), xlabel="head", ylabel="mean share", ylim=(0, 1.25))
    axes[-1].set_title(f"accuracy {accuracy:.1%}", fontsize=10)
    axes[-1].legend(fontsize=7, ncols=3, loc="upper center")
    return Drawing(figure, {"accuracy": accuracy, **looks, "weights": weights})


def _neighbours(count, length, letters, seed):
    """Random letters from id 2 on, and the pair before and after each as a number, -1 at both ends."""
    drawn = np.random.default_rng(seed).integers(letters, size=(count, length))
    pairs = np.full((count, length), -1)
    pairs[:, 1:-1] = drawn[:, :-2] * letters + drawn[:, 2:]
    return (drawn + 2).astype("int32"), pairs
