"""What TensorFlow says of values that a saved model refuses, in words that name the value and what is allowed.

Saved models check their inputs themselves (`kerasmlsp.exporting.inputs`). What an operation inside refuses, as a file
that cannot be decoded, it says in its own words, which are turned into plain ones here, whoever has called the model.
"""

import re
from collections.abc import Mapping

import numpy as np

_ASSERTED = re.compile(r"^assertion failed: \[(.*)\]$")
# What `tf.debugging.assert_less` and its like add to their message.
_COMPARED = re.compile(r"\.?\] \[Condition x .+? did not hold.*?\] \[x \(.*?\) = \] \[(.*?)(?:\] \[y \(.*)?$")
_BEYOND = re.compile(r"^indices(?:\[[\d,]*\])? = (-?\d+) is not in \[0, (\d+)\)$")

_WAV = "A recording must be a WAV file of 16-bit PCM. Received: "
_PICTURE = "A picture must be a whole JPEG, PNG, GIF or BMP file. Received: "
_DAMAGED = f"{_PICTURE}a damaged {{kind}}file"
_FORMATS = {
    "2": "ADPCM",
    "3": "floats",
    "6": "A-law",
    "7": "mu-law",
    "17": "ADPCM",
    "85": "MP3",
    "65534": "the extensible format",
}
# The beginning of what a decoder says, as a pattern, and the end of the sentence.
_DECODERS: tuple[tuple[str, str], ...] = (
    # tensorflow/core/lib/wav/wav_io.cc
    (r"Header mismatch: Expected (?:RIFF|WAVE) but found", f"{_WAV}a file of another kind"),
    (r"Data too short when trying to read (?:string|value)", f"{_WAV}a file that ends too early"),
    (r"Offset too large, overflowed", f"{_WAV}a damaged file"),
    (r"Can only read 16-bit WAV files, but received ?(\d+)", f"{_WAV}{{0}} bits"),
    (r"Bad audio format for WAV: Expected 1 \(PCM\), but got ?(\d+)", f"{_WAV}{{format}}"),
    (r"Bad format chunk size for WAV: .*but got ?\d+", f"{_WAV}a header of another form, as of the extensible format"),
    (r"Unexpected field (\w*)", f"{_WAV}a file whose format stands behind a part {{0!r}}, which is not read"),
    (r"No data chunk found in WAV", f"{_WAV}a file without samples"),
    (r"Bad number of channels for WAV", f"{_WAV}a damaged header"),
    (r"Bad bytes per (?:sample|second) in WAV header", f"{_WAV}a damaged header"),
    (r"More than one data chunk found in WAV|WAV data chunk '", f"{_WAV}a damaged file"),
    # tensorflow/core/kernels/image/decode_image_op.cc
    (r"Unknown image file format", f"{_PICTURE}a file of another kind"),
    (r"Input is empty|Input buffer is empty", f"{_PICTURE}no bytes"),
    (r"(?:Invalid|Incomplete|Unsupported) (?:compressed )?((?i:JPEG|PNG|GIF|BMP))\b", _DAMAGED),
    (r"jpeg::Uncompress failed|Input size should match|Trying to decode (JPEG|BMP|PNG|GIF)", _DAMAGED),
)


def plain(text: str) -> str:
    """Returns one line of an error of TensorFlow in plain words; one that is not known as it is.

    Example:
        >>> plain("Can only read 16-bit WAV files, but received 24")
        'A recording must be a WAV file of 16-bit PCM. Received: 24 bits'
        >>> plain("assertion failed: [`tonic` must be 0 to 11. Received:] [12]")
        '`tonic` must be 0 to 11. Received: 12'
        >>> compared = "[Condition x >= y did not hold element-wise:] [x (a:0) = ] [7] [y (b:0) = ] [9]"
        >>> plain(f"assertion failed: [`x` must have 9 samples.] {compared}")
        '`x` must have 9 samples. Received: 7'
        >>> plain("Out of range")
        'Out of range'
    """
    if asserted := _ASSERTED.match(text):
        text = _COMPARED.sub(r".] [Received:] [\1", asserted[1])
        return text.replace("] [", " ")
    for pattern, told in _DECODERS:
        if found := re.match(pattern, text):
            return _told(told, found)
    return text


def _told(told, found):
    word = next((each for each in found.groups() if each), "")
    return told.format(word, format=_FORMATS.get(word, f"format {word}"), kind=f"{word.upper()} " if word else "")


def of_inputs(text: str, inputs: Mapping[str, np.ndarray]) -> str:
    """Returns what an error says with the input named that it is about, where it is a number beyond what is looked up.

    Args:
        text: As from `plain`.
        inputs: What the model was called with.

    Example:
        >>> road, minute = np.array([3, 207]), np.array([480, 490])
        >>> of_inputs("indices[1] = 207 is not in [0, 207)", {"road": road, "minute": minute})
        '`road` must be 0 to 206. Received: 207'
    """
    found = _BEYOND.match(text)
    if not found:
        return text
    value, count = int(found[1]), int(found[2])
    names = [name for name, array in inputs.items() if array.dtype.kind in "iu" and (array == value).any()]
    if not names:
        return text
    named = f"`{names[0]}`" if len(names) == 1 else f"One of {', '.join(f'`{name}`' for name in names)}"
    return f"{named} must be 0 to {count - 1:,}. Received: {value}"
