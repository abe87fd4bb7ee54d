"""Ratios to a peer that is measured in turns with ours in one run, on machines where seconds alone say little."""

import dataclasses
import statistics
import time


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        what: What was measured, with its unit.
        ours: Median of ours.
        peer: Median of the peer's; None where there is none.
        ratio: Median of ours / peer over the pairs; None where there is no peer.
        least: Smallest ratio.
        most: Largest ratio.
        target: Such as ">= 1", for the ratio, or for ours where there is no peer; None for orientation only.
        met: Whether the target is met; None without target.
    """

    what: str
    ours: float
    peer: float | None = None
    ratio: float | None = None
    least: float | None = None
    most: float | None = None
    target: str | None = None
    met: bool | None = None


def compare(what, ours, peer=None, target=None):
    """Makes the row of values that were measured in pairs.

    Args:
        what: What was measured, with its unit.
        ours: Values, at least one.
        peer: As many values of the peer, or None where there is none.
        target: ">= NUMBER", "<= NUMBER" or None.

    Raises:
        ValueError: There is no value, there are not as many of the peer's, or the target is not understood.
    """
    if not ours or (peer is not None and len(peer) != len(ours)):
        raise ValueError(f"`ours` and `peer` must be pairs. Received: {len(ours)} and {len(peer or ())} values")
    if peer is None:
        middle = statistics.median(ours)
        return Row(what, middle, target=target, met=_met(middle, target))
    ratios = [mine / theirs for mine, theirs in zip(ours, peer, strict=True)]
    ratio = statistics.median(ratios)
    middles = statistics.median(ours), statistics.median(peer)
    return Row(what, *middles, ratio, min(ratios), max(ratios), target, _met(ratio, target))


def _met(value, target):
    if target is None:
        return None
    comparison, _, bound = target.partition(" ")
    if comparison not in (">=", "<="):
        raise ValueError(f'`target` must be ">= NUMBER" or "<= NUMBER". Received: {target!r}')
    return value >= float(bound) if comparison == ">=" else value <= float(bound)


def table(rows):
    """Formats rows as a Markdown table."""
    return markdown(
        [
            {
                "what": row.what,
                "ours": _number(row.ours),
                "peer": _number(row.peer),
                "ratio (least to most)": row.ratio and f"{row.ratio:.2f} ({row.least:.2f} to {row.most:.2f})",
                "target": row.target,
                "met": {None: None, True: "yes", False: "no"}[row.met],
            }
            for row in rows
        ]
    )


def markdown(rows, decimals=".3f", **forms):
    """Formats records as a Markdown table; what a record lacks is a dash.

    Args:
        rows: Dicts; the first names the columns.
        decimals: Form of floats.
        **forms: Other forms by column.
    """
    lines = ["| " + " | ".join(each.replace("_", " ") for each in rows[0]) + " |", "|" + "---|" * len(rows[0])]
    for row in rows:
        values = {name: row.get(name) for name in rows[0]}
        cells = [
            "-"
            if value is None
            else format(value, forms.get(name, decimals))
            if isinstance(value, float)
            else str(value)
            for name, value in values.items()
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _number(value):
    if value is None:
        return None
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def in_turns(jobs, rounds):
    """Calls every function `rounds` times in turns, so that what else the machine does meets all of them alike.

    Every other round is in reverse order: none always comes first.

    Returns:
        Dict of name to the values that the function returned.
    """
    values = {name: [] for name in jobs}
    for turn in range(rounds):
        for name in list(jobs)[:: -1 if turn % 2 else 1]:
            values[name].append(jobs[name]())
    return values


def seconds(function, *arguments, **options):
    """Returns how long a call takes."""
    started = time.perf_counter()
    function(*arguments, **options)
    return time.perf_counter() - started
