"""The numbers of the figures of learning without labels, in their quick forms, and what the whole ones show."""

import numpy as np
import pytest

from kerasmlsp import figures
from kerasmlsp.figures import _data, _made, unsupervised, unsupervised_pretext
from kerasmlsp.targets import pretext


def quick(name, **options):
    return getattr(figures, name)(**{**figures.QUICK.get(name, {}), **options})


def test_density():
    _, numbers = quick("density")
    shares = numbers["density"]
    assert shares.sum() == pytest.approx(1, abs=1e-4) and numbers["nats"]["even"] == pytest.approx(2 * np.log(8))
    cells = unsupervised._cells(2000, 8, 1)
    assert numbers["nats"]["net"] == pytest.approx(-np.log(shares[tuple(cells.T)]).mean(), rel=1e-5)
    assert (shares[tuple(numbers["drawn"].T)] > 0).all()


@pytest.mark.slow
def test_the_second_coordinate_is_learnt_given_the_first():
    _, numbers = figures.density()
    nats = numbers["nats"]
    assert nats["net"] < nats["independent"] - 0.15 < nats["even"]
    # Between disc and ring there is hardly anything.
    middles = (np.stack(np.meshgrid(*[np.arange(24)] * 2, indexing="ij"), -1) + 0.5) / 24 * 4.4 - 2.2
    radii = np.linalg.norm(middles, axis=-1)
    assert numbers["density"][(radii > 1.1) & (radii < 1.3)].mean() < numbers["density"][radii < 0.9].mean() / 5


def test_clusters():
    pytest.importorskip("sklearn")
    _, numbers = quick("clusters")
    assert numbers["purity"][10] > numbers["random"][10] + 0.1
    assert numbers["means"].shape == (10, 16, 16)


def test_label_fraction():
    figure, numbers = quick("label_fraction")
    lines = [line.get_ydata() for line in figure.axes[0].get_lines()]
    np.testing.assert_array_equal(lines, list(numbers["accuracy"].values()))
    assert 0.1 < numbers["turns"] < 0.6


@pytest.mark.slow
def test_telling_turns_first_helps_to_tell_digits():
    _, numbers = figures.label_fraction()
    scratch, trained = numbers["accuracy"].values()
    assert trained[-1] > scratch[-1] + 0.05 and trained[-1] > 0.6 and numbers["turns"] > 0.5


def test_mae():
    _, numbers = quick("mae")
    assert numbers["filled"].shape == (6, 16, 16) and 0 < numbers["error"]["mean"] < 0.2
    test, _ = _data.printed_digits(200, 1000)
    hidden = pretext.mask_patches(200, 16, rate=0.5, seed=1)[0].reshape(4, 4).repeat(4, 0).repeat(4, 1)
    np.testing.assert_allclose(numbers["filled"][0][~hidden], test[0][~hidden], atol=1e-6)
    assert np.abs(numbers["filled"][0] - test[0])[hidden].max() > 0.01


@pytest.mark.slow
def test_hidden_patches_follow_from_the_others():
    _, numbers = figures.mae()
    assert numbers["error"]["net"] < 0.85 * numbers["error"]["mean"]


def test_codebook():
    _, numbers = quick("codebook")
    for name, shares in numbers["shares"].items():
        np.testing.assert_allclose(shares.sum(1), 1)
        assert numbers["used"][name] == (shares.sum(0) > 0).sum() and 0 <= numbers["bits"][name] <= np.log2(5)
    assert unsupervised_pretext._bits(np.eye(5)) == pytest.approx(np.log2(5))
    assert unsupervised_pretext._bits(np.full((5, 3), 1 / 3)) == pytest.approx(0)


def test_made_vowels_have_the_resonances_of_their_name():
    waves, sounds = _made.vowels(1, 0)
    power = np.abs(np.fft.rfft(waves.reshape(5, 800), axis=1)) ** 2
    frequencies = np.fft.rfftfreq(800, 1 / _made.RATE)
    for each, name in zip(power, sounds[0, ::800], strict=True):
        near = [abs(frequencies - value) < 150 for value in list(_made.VOWELS.values())[name]]
        assert each[near[0] | near[1]].sum() > 0.5 * each.sum()


@pytest.mark.slow
def test_codes_tell_of_vowels():
    _, numbers = figures.codebook()
    assert numbers["bits"]["after"] > 1.3 * numbers["bits"]["before"]


def test_fill_in():
    _, numbers = quick("fill_in")
    shares = numbers["shares"]["I [MASK] a student"]
    assert len(shares) == 6 and sum(shares.values()) <= 1 + 1e-6
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    with pytest.raises(ValueError, match="`gaps` must be sentences with one word"):
        figures.fill_in(gaps=("I am a student",))


@pytest.mark.slow
def test_verb_and_noun_agree_with_who_it_is():
    _, numbers = figures.fill_in()
    best = {gap: next(iter(words)) for gap, words in numbers["shares"].items()}
    assert best["I [MASK] a student"] == "am" and best["they [MASK] singers"] == "are"
    assert best["[MASK] is a doctor"] in ("he", "she") and best["we are [MASK]"].endswith("s")
    assert best["you are [MASK] teacher"] == "a"
