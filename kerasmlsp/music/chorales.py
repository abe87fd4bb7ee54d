"""Four-voice chorales: Bach's from music21's corpus, or from files."""

import importlib.metadata
import itertools
import logging
import zipfile
from pathlib import Path

import numpy as np

from kerasmlsp.extras import required
from kerasmlsp.files import write_atomically
from kerasmlsp.music.grid import length, moves, roll_of, skyline
from kerasmlsp.music.pieces import LOWEST, REST, STEPS_PER_QUARTER, VOICES, Chorale, begins
from kerasmlsp.music.reading import each_piece, from_each_file, read_steps, tell_moved
from kerasmlsp.music.scores import Score, read_scores, tell_metres

_FORMAT = 1  # of the cache: raise it where the meaning of a field changes
_CENTRES = np.array([70, 65, 60, 52])  # about the middle of each voice, where nothing is known yet
_REST_COST = 12  # a voice rests rather than leap more than an octave into unison with another

_BAR = 16  # steps
_SAME = 0.95  # share of equal steps: editions of one piece differ by a passing note here and there

_log = logging.getLogger("kerasmlsp")


def read_chorales(
    path: str | Path | None = None, *, cache: str | Path | None = None, json_steps_per_quarter: int = 4
) -> list[Chorale]:
    """Reads chorales in four voices on the grid of sixteenths.

    Without a path these are the pieces by Bach in music21's corpus that have exactly four parts, each piece once:
    of pieces that are equal up to transposition in 95 % of all steps the first stays. Repeats are not played twice.

    Notes go to the nearest sixteenth (those of triplets to the later one), short ones last one, and the log says how
    many were moved or left out. Pitches are as they sound, also of instruments that transpose.

    Voices come from the file where it has four parts (sorted by mean pitch) or parts called soprano, alto, tenor and
    bass. Where it has only chords, as JSON and music for one piano, their notes are given to the voices from the top;
    where fewer than four sound, two voices share a note or one rests, whichever moves the voices less. JSON that gives
    four numbers a step, mostly from high to low, is taken to give the voices in this order.

    Args:
        path: File or folder: .mid, .midi, .abc, .musicxml, .mxl, .xml or .json (as in `read_rolls`, with at most four
            pitches a step); None for music21's corpus.
        cache: File of type .npz which keeps what was read from music21's corpus (in about 20 s); None for
            `~/.cache/kerasmlsp/chorales-<version of music21>.npz`. Only used where `path` is None.
        json_steps_per_quarter: Steps of JSON in a quarter note: 1, 2 or 4.

    Returns:
        List of `Chorale`s.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ModuleNotFoundError: The extra is not installed: `pip install -e '.[music]'`. ABC and JSON do without.
        ValueError: The file has an unknown ending, is damaged, holds no notes, or more than four voices. Such a file in
            a folder, or piece among others, is left out with a warning in the log; it is an error that none is left.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "tiny.json").write_text("[[[72, 67, 64, 48], [71, 67, 62, 43]]]")
        ...     [chorale] = read_chorales(Path(folder, "tiny.json"), json_steps_per_quarter=1)
        >>> chorale.pitches[::4].tolist(), chorale.onsets[4].tolist()  # the alto is held
        ([[72, 67, 64, 48], [71, 67, 62, 43]], [True, False, True, True])
    """
    if json_steps_per_quarter not in (1, 2, 4):
        raise ValueError(f"`json_steps_per_quarter` must be 1, 2 or 4. Received: {json_steps_per_quarter!r}")
    if path is None:
        return _cached_corpus(cache)
    moved: list[np.ndarray] = []
    scores: list[Score] = []
    repeats = STEPS_PER_QUARTER // json_steps_per_quarter
    chorales = from_each_file(path, lambda file: _chorales(file, repeats, moved, scores))
    tell_moved(path, moved, STEPS_PER_QUARTER)
    tell_metres(path, scores)
    return chorales


def _chorales(path: Path, repeats: int, moved: list[np.ndarray], scores: list[Score]) -> list[Chorale]:
    if path.suffix.lower() == ".json":
        return each_piece(read_steps(path), lambda piece: _from_steps(piece, path, repeats))
    found = read_scores(path)
    scores += found
    moved += [moves(score.parts, STEPS_PER_QUARTER) for score in found]
    return each_piece(found, lambda score: _from_score(score, path))


def _from_steps(piece: tuple[str, str | None, list], path: Path, repeats: int) -> Chorale:
    name, split, steps = piece
    pitches = np.repeat(_voices(steps, f"{path}, {name}"), repeats, axis=0)
    return Chorale(name, pitches, begins(pitches), split=split)


def _from_score(score: Score, path) -> Chorale:
    parts = _four_parts(score)
    if parts:
        steps = length(parts, STEPS_PER_QUARTER)
        voices = [skyline(part.notes, steps) for part in parts]
        pitches, onsets = (np.stack(columns, axis=1) for columns in zip(*voices, strict=True))
    else:
        roll, struck = roll_of(score.parts, STEPS_PER_QUARTER)
        pitches = _voices([(np.flatnonzero(step) + LOWEST).tolist() for step in roll], path)
        onsets = begins(pitches, np.take_along_axis(struck, np.maximum(pitches - LOWEST, 0).astype(int), axis=1))
    if not onsets.any():
        raise ValueError(f"`path` must hold notes on the grid of sixteenths. Received: {path}, which holds none")
    return Chorale(score.name, pitches, onsets, score.key, bar=score.bar, pickup=score.pickup)


def _four_parts(score: Score):
    """The four voices of a score from the top, or None."""
    named = {part.name.strip().lower(): part for part in score.parts}
    if all(voice in named for voice in VOICES):
        return [named[voice] for voice in VOICES]
    if len(score.parts) == 4:
        return sorted(score.parts, key=lambda part: -part.notes[:, 2].mean())
    return None


def _voices(piece: list, path) -> np.ndarray:
    """Gives the notes of each step to four voices: int16 `(steps, 4)`."""
    if max(map(len, piece), default=0) > 4:
        raise ValueError(f"`path` must hold at most four notes at once. Received: {path}, where more sound")
    full = [[note for note in step if note != REST] for step in piece if len(step) == 4]
    in_order = 2 * sum(notes == sorted(notes, reverse=True) for notes in full) > len(full)
    pitches = np.full((len(piece), 4), REST, np.int16)
    before = _CENTRES
    for step, notes in enumerate(piece):
        if not in_order or len(notes) < 4:
            notes = _shared(sorted((note for note in notes if note != REST), reverse=True), before)
        pitches[step] = notes
        before = np.where(pitches[step] == REST, before, pitches[step])
    return pitches


def _shared(notes: list[int], before: np.ndarray) -> list[int]:
    """Gives notes from high to low to four voices, each note to one at least, such that the voices move least."""
    if len(notes) in (0, 4):
        return notes or [REST] * 4
    best: list[int] = []
    least = np.inf
    for choice in itertools.product([*range(len(notes)), None], repeat=4):
        sung = [index for index in choice if index is not None]
        if sung == sorted(sung) and len(set(sung)) == len(notes):
            voices = [REST if index is None else notes[index] for index in choice]
            leaps = [_REST_COST if new == REST else abs(new - old) for new, old in zip(voices, before, strict=True)]
            if sum(leaps) < least:
                best, least = voices, sum(leaps)
    return best


def _cached_corpus(cache) -> list[Chorale]:
    if cache is None:
        try:  # not from music21 itself, whose import is slow
            version = importlib.metadata.version("music21")
        except importlib.metadata.PackageNotFoundError:
            version = required("music21").__version__
        cache = Path.home() / ".cache" / "kerasmlsp" / f"chorales-{version}.npz"
        cache.parent.mkdir(parents=True, exist_ok=True)
    cache = Path(cache).expanduser()
    if cache.suffix != ".npz":
        raise ValueError(f"`cache` must end in .npz. Received: {cache}")
    if cache.exists():
        try:
            return _unpacked(cache)
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            _log.warning("%s is damaged or old, so music21's corpus is read again (%s).", cache, error)
    chorales = _distinct(_corpus())
    write_atomically(cache, lambda temporary: _pack(temporary, chorales))
    return chorales


def _corpus() -> list[Chorale]:
    corpus = required("music21").corpus
    files = sorted(Path(file) for file in corpus.getComposer("bach") if Path(file).suffix in (".mxl", ".xml"))
    chorales = []
    for number, file in enumerate(files):
        if number % 50 == 0:
            _log.info("Reading music21's chorales: %d of %d files.", number, len(files))
        [score] = read_scores(file)
        if len(score.parts) == 4:
            chorales.append(_from_score(score, file))
    return chorales


def _distinct(chorales: list[Chorale]) -> list[Chorale]:
    kept: list[Chorale] = []
    for chorale in chorales:
        if not any(_same(chorale.pitches, other.pitches) for other in kept):
            kept.append(chorale)
    return kept


def _same(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two pieces differ by one transposition nearly everywhere, and by a bar in length at most."""
    steps = min(len(first), len(second))
    if max(len(first), len(second)) - steps > _BAR:
        return False
    distances = first[:steps].astype(int) - second[:steps] + 128
    return np.bincount(distances.ravel()).max() > _SAME * distances.size


def _pack(path: Path, chorales: list[Chorale]):
    np.savez_compressed(
        path,
        format=_FORMAT,
        names=[chorale.name for chorale in chorales],
        lengths=[len(chorale.pitches) for chorale in chorales],
        pitches=np.concatenate([chorale.pitches for chorale in chorales]),
        onsets=np.concatenate([chorale.onsets for chorale in chorales]),
        tonics=[chorale.key[0] if chorale.key else -1 for chorale in chorales],
        modes=[chorale.key[1] if chorale.key else "" for chorale in chorales],
        bars=[chorale.bar or 0 for chorale in chorales],
        pickups=[chorale.pickup for chorale in chorales],
    )


def _unpacked(path: Path) -> list[Chorale]:
    # Opened here, because NumPy leaves a damaged file open.
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
        stored = dict(archive)
    if stored["format"] != _FORMAT:
        raise ValueError(f"format {stored['format']}")
    ends = np.cumsum(stored["lengths"])[:-1]
    columns = (stored[name].tolist() for name in ("names", "tonics", "modes", "bars", "pickups"))
    pieces = zip(*columns, np.split(stored["pitches"], ends), np.split(stored["onsets"], ends), strict=True)
    return [
        Chorale(name, pitches, onsets, (tonic, mode) if mode else None, None, bar or None, pickup)
        for name, tonic, mode, bar, pickup, pitches, onsets in pieces
    ]
