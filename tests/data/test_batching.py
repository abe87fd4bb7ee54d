"""The order of examples: everyone once an epoch, the same in every process, little padding."""

import numpy as np
import pytest

from kerasmlsp.data import batching

RANDOM = np.random.default_rng(0)
LENGTHS = RANDOM.integers(1, 400, 1000)

ORDERS = {
    "shuffled": lambda **options: batching.shuffled(1000, 32, **options),
    "bucketed": lambda **options: batching.bucketed(LENGTHS, 32, **options),
    "narrow": lambda **options: batching.bucketed(LENGTHS, 32, window=1, **options),
}


def padding(batches, lengths):
    """Padded places over tokens."""
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    return padded / sum(lengths[batch].sum() for batch in batches) - 1


def test_a_plain_dataset_is_refused_with_the_way_to_batches():
    import tensorflow as tf

    for dataset in (tf.data.Dataset.range(4), tf.data.Dataset.range(4).batch(2)):
        with pytest.raises(ValueError, match=r"docs/how-to/library\.md shows, or call Keras's `model\.fit`"):
            batching.source(dataset)


@pytest.mark.parametrize("name", ORDERS)
def test_every_example_comes_once_an_epoch(name):
    order = ORDERS[name]()
    for epoch in (0, 1, 7):
        batches = order(epoch)
        assert sorted(np.concatenate(batches)) == list(range(1000))
        assert sorted(map(len, batches)) == [8] + [32] * 31
        assert all(batch.dtype == np.int64 for batch in batches)


@pytest.mark.parametrize("name", ORDERS)
def test_the_order_follows_from_seed_and_epoch(name):
    def flat(seed, epoch):
        return np.concatenate(ORDERS[name](seed=seed)(epoch)).tolist()

    assert flat(0, 3) == flat(0, 3)
    assert len({tuple(flat(seed, epoch)) for seed in (0, 1) for epoch in (0, 1, 2)}) == 6


def test_an_epoch_does_not_depend_on_those_before():
    order, fresh = ORDERS["bucketed"](), ORDERS["bucketed"]()
    later = [order(epoch) for epoch in range(4)][3]
    assert all(np.array_equal(one, other) for one, other in zip(later, fresh(3), strict=True))


@pytest.mark.parametrize("name", ORDERS)
def test_the_remainder_is_dropped_and_is_another_in_every_epoch(name):
    order = ORDERS[name](drop_remainder=True)
    left_out = [frozenset(range(1000)) - set(np.concatenate(order(epoch))) for epoch in range(3)]
    assert all(len(batch) == 32 for epoch in range(3) for batch in order(epoch))
    assert [len(each) for each in left_out] == [8, 8, 8] and len(set(left_out)) == 3


def test_fewer_examples_than_a_batch_are_kept():
    (batch,) = batching.shuffled(5, 32, drop_remainder=True)(0)
    assert sorted(batch) == [0, 1, 2, 3, 4]


def test_buckets_spare_most_of_the_padding():
    plain, bucketed = padding(ORDERS["shuffled"]()(0), LENGTHS), padding(ORDERS["bucketed"]()(0), LENGTHS)
    assert bucketed < plain / 5, (bucketed, plain)
    assert padding(ORDERS["narrow"]()(0), LENGTHS) > 0.8 * plain


def test_batches_come_in_no_order_of_length():
    longest = [LENGTHS[batch].max() for batch in ORDERS["bucketed"]()(0)]
    assert abs(np.corrcoef(longest, range(len(longest)))[0, 1]) < 0.5


def test_sorted_by_length_keeps_all_and_sorts():
    batches = batching.sorted_by_length(LENGTHS, 64)
    indices = np.concatenate(batches)
    assert sorted(indices) == list(range(1000)) and [len(each) for each in batches] == [64] * 15 + [40]
    assert (np.diff(LENGTHS[indices]) >= 0).all()
    assert [each.tolist() for each in batching.sorted_by_length([2, 1, 2, 1], 3)] == [[1, 3, 0], [2]]


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: batching.bucketed([], 4), "`lengths`"),
        (lambda: batching.shuffled(0, 4), "at least one example"),
        (lambda: batching.shuffled(4, 0), "`batch_size`"),
        (lambda: batching.bucketed([1, 2], 4, window=0), "`window`"),
    ],
)
def test_orders_refuse_what_they_cannot_do(make, named):
    with pytest.raises(ValueError, match=named):
        make()


@pytest.fixture
def batches():
    """Ten examples in three batches; inputs are the indices, targets the key."""
    return batching.Batches(batching.shuffled(10, 4, seed=2), lambda indices, key: (indices, key))


def test_a_dataset_goes_on_where_it_is_told(batches):
    position = [1, 1]
    dataset = batches.dataset(lambda: tuple(position))
    assert int(dataset.cardinality()) == 2
    seen = [(indices.numpy().tolist(), key.numpy().tolist()) for indices, key in dataset]
    order = batches.order(1)
    assert seen == [(order[1].tolist(), [1, 1]), (order[2].tolist(), [1, 2])]


def test_a_dataset_asks_for_the_position_in_every_pass(batches):
    position = [0, 0]
    dataset = batches.dataset(lambda: tuple(position))
    for epoch in range(3):
        position[0] = epoch
        seen = [(indices.numpy().tolist(), key.numpy().tolist()) for indices, key in dataset]
        assert seen == [(batch.tolist(), [epoch, step]) for step, batch in enumerate(batches.order(epoch))]


def test_batches_of_tokens_hold_no_more_than_that():
    lengths = np.random.default_rng(0).integers(1, 40, 500)
    lengths[7] = 300
    order = batching.by_tokens(lengths, 256, seed=3, multiple=4)
    first, second = order(0), order(1)
    for batches in (first, second):
        assert sorted(np.concatenate(batches).tolist()) == list(range(500))
        for batch in batches:
            longest = -(-lengths[batch].max() // 4) * 4
            assert longest * len(batch) <= 256 or batch.tolist() == [7]
    # As many in every epoch and of the same shapes, but others together; the same again for the same seed.
    assert sorted(map(len, first)) == sorted(map(len, second))
    assert {tuple(sorted(batch)) for batch in first} != {tuple(sorted(batch)) for batch in second}
    assert [batch.tolist() for batch in batching.by_tokens(lengths, 256, seed=3, multiple=4)(1)] == [
        batch.tolist() for batch in second
    ]
    # Hardly any room is left: a batch more would fit few.
    assert len(first) < 1.3 * (-(-lengths // 4) * 4).sum() / 256


def test_batches_of_pairs_are_alike_in_both_lengths():
    random = np.random.default_rng(0)
    source = random.integers(3, 30, 2000)
    lengths = np.stack([source, np.maximum(source + random.integers(-6, 7, 2000), 1)], axis=1)
    batches = batching.by_tokens(lengths, 512)(0)
    assert sorted(np.concatenate(batches).tolist()) == list(range(2000))
    assert all(len(batch) * lengths[batch].max() <= 512 for batch in batches)
    places = sum(len(batch) * lengths[batch].max(0).sum() for batch in batches)
    assert places < 1.15 * lengths.sum()


def test_batches_of_tokens_are_shared_evenly():
    lengths = np.random.default_rng(0).integers(1, 40, 502)
    order = batching.by_tokens(lengths, 256, rows=4)
    first, second = order(0), order(1)
    assert all(len(batch) % 4 == 0 for batch in first) and sorted(map(len, first)) == sorted(map(len, second))
    assert all(len(batch) == 4 or len(batch) * lengths[batch].max() <= 256 for batch in first)
    # The two that are left out are the same.
    assert len(set(np.concatenate(first))) == 500 and set(np.concatenate(first)) == set(np.concatenate(second))


@pytest.mark.parametrize(
    ("lengths", "options", "told"),
    [
        ([3], {"tokens": 9, "rows": 2}, "to the 1 examples.*rows=2"),
        ([], {"tokens": 9}, "Received: none"),
        ([3, 0], {"tokens": 9}, "Received: a length of 0"),
        ([3], {"tokens": 0}, "tokens=0"),
        ([3], {"tokens": 9, "multiple": 0}, "multiple=0"),
    ],
)
def test_batches_of_tokens_need_lengths_and_room(lengths, options, told):
    with pytest.raises(ValueError, match=told):
        batching.by_tokens(lengths, **options)
