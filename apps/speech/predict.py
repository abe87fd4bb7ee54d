"""Labels for recordings and commands in long ones, with nothing but the saved model."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasmlsp import classification
from kerasmlsp.apps.speech import listening
from kerasmlsp.data import audio, clips
from kerasmlsp.files import write_atomically

if TYPE_CHECKING:
    from kerasmlsp.exporting import SavedModel

# Recordings answered in one call.
BATCH = 64


def heard(model: "SavedModel") -> tuple[int, int]:
    """Returns what a loaded saved model hears: samples per second, and samples in all.

    Raises:
        ValueError: The model card does not say it.
    """
    rate, length = model.card.get("rate"), model.card.get("length")
    if not rate or not length:
        raise ValueError(f"The model card {model.path / 'card.json'} must name rate and length: export it again.")
    return rate, length


def predict(
    model: "SavedModel", sources: Sequence[Path | bytes], *, reject_below: float | None = None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Classifies recordings, see `classification.label_files`.

    Of longer ones than the model hears, the loudest stretch counts.

    Raises:
        ValueError: The card of the model does not name the classes, the rate and the length.
    """
    rate, length = heard(model)

    def read(source):
        return clips.loudest(audio.read_waveform(source, rate), length, rate)

    return classification.label_files(model, sources, read, "waveforms", batch=BATCH, reject_below=reject_below)


def listen(
    model: "SavedModel", source: Path | bytes, threshold: float, figure: Path | None = None
) -> tuple[list[listening.Detection], float]:
    """Hears the commands in a recording of any length, in constant memory.

    Args:
        model: A loaded saved model.
        source: Path of a file, or the bytes of one.
        threshold: Least probability of a command that is reported.
        figure: Where to draw the spectrogram and the detections; None for nowhere.

    Returns:
        The detections, and the seconds of the recording.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be read, or the card of the model does not name the classes, the rate and the length.
    """
    classes, (rate, length) = classification.classes_of(model), heard(model)
    if not listening.commands(classes):
        raise ValueError(f"The saved model {model.path} knows no command to listen for, only {', '.join(classes)}.")
    picture, end = listening.Spectrogram(rate), [0]

    def windows():
        hop = length // listening.HOPS
        for begin, window in audio.pieces(source, rate, length=length, hop=hop):
            # Each sample once: the first window, and what is new of the others.
            if figure:
                picture.add(window if begin == 0 else window[-hop:])
            end[0] = begin + length
            yield begin, window

    def answer(waveforms):
        return model(waveforms=waveforms)["probabilities"]

    found = list(listening.detections(windows(), answer, classes, threshold, rate))
    if figure:
        _draw(picture.values(), end[0] / rate, found, figure, threshold)
    return found, end[0] / rate


def _draw(spectrogram, seconds, found, figure, threshold):
    from kerasmlsp import plotting

    write_atomically(figure, lambda path: plotting.heard(spectrogram, seconds, found, path, threshold=threshold))
