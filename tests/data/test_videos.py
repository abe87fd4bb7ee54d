"""Clips of every format, whole and broken: the frames that are wanted, or one sentence."""

import io
import types

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerasmlsp import extras
from kerasmlsp.data import videos

av = pytest.importorskip("av", reason="the extra video is not installed")

FORMATS = {
    "mp4": ("mp4", "libx264", "yuv420p"),
    "avi": ("avi", "mpeg4", "yuv420p"),
    "webm": ("webm", "libvpx", "yuv420p"),
    "gif": ("gif", "gif", "rgb8"),
}


def moving(count=9, height=32, width=48):
    """A grey block that moves to the right by four pixels a frame, uint8 `(count, height, width, 3)`."""
    frames = np.full((count, height, width, 3), 20, np.uint8)
    for place in range(count):
        frames[place, 8:24, 4 * place : 4 * place + 12] = 220
    return frames


def encoded(frames, kind="mp4"):
    """The bytes of a clip."""
    form, codec, pixels = FORMATS[kind]
    file = io.BytesIO()
    with av.open(file, "w", format=form) as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixels
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


@pytest.mark.parametrize("kind", FORMATS)
def test_clips_of_every_format_give_the_frames_that_are_wanted(kind, tmp_path):
    path = tmp_path / f"clip.{kind}"
    path.write_bytes(encoded(moving(), kind))
    found = videos.read_clip(path, frames=3, size=16)
    assert found.shape == (3, 16, 16, 3) and found.dtype == np.uint8
    expected = np.stack([np.asarray(Image.fromarray(frame).resize((16, 16), 2)) for frame in moving()[[0, 4, 8]]])
    # Compression loses a little.
    assert np.abs(found.astype(int) - expected).mean() < 12
    np.testing.assert_array_equal(videos.read_clip(path.read_bytes(), frames=3, size=16), found)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"frames": 1}, [4]),
        ({"frames": 5}, [0, 2, 4, 6, 8]),
        ({"frames": 3, "stride": 2}, [2, 4, 6]),
        ({"frames": 3, "stride": 2, "last": True}, [4, 6, 8]),
        ({"frames": 12}, [0, 1, 1, 2, 3, 4, 4, 5, 6, 7, 7, 8]),
    ],
)
def test_which_frames_are_taken(options, wanted):
    if options["frames"] != 12:
        assert videos.places(9, **options).tolist() == wanted
    else:
        # As many of a short clip as are wanted, none left out.
        assert set(videos.places(9, 12).tolist()) == set(range(9))
    clip = encoded(moving(), "gif")
    found = videos.read_clip(clip, size=48, **options)
    # Where the block begins, in steps of four pixels.
    begins = (found[:, 24, :, 0] > 120).argmax(1) / 4
    assert begins.round().astype(int).tolist() == videos.places(9, **options).tolist()


def test_the_graph_takes_the_same_frames():
    random = np.random.default_rng(0)
    for frames, stride, last in [(1, None, False), (4, None, False), (7, 2, False), (3, 3, True), (1, None, True)]:
        counts = random.integers(1, 60, 50).astype(np.int32)
        found = videos.places_in_graph(tf.constant(counts), frames, stride, last).numpy()
        assert found.tolist() == [videos.places(count, frames, stride, last).tolist() for count in counts]


def test_decoded_frames_are_stretched_as_files_are():
    clips = np.zeros((2, 9, 32, 48, 3), np.uint8)
    clips[0], clips[1, :5] = moving(9), moving(5)
    found, counts = videos.stretched(tf.constant(clips), frames=3, size=16)
    assert counts.numpy().tolist() == [9, 5]
    for row, count in enumerate((9, 5)):
        wanted = moving(count)[videos.places(count, 3)]
        expected = np.stack([np.asarray(Image.fromarray(each).resize((16, 16), 2), int) for each in wanted])
        assert np.abs(found[row].numpy() - expected).max() <= 1
    nothing, counts = videos.stretched(tf.zeros((1, 4, 8, 8, 3), tf.uint8), frames=2, size=4)
    assert counts.numpy().tolist() == [0] and not nothing.numpy().any()


def test_gif_files_are_decoded_in_the_graph_as_they_are_read():
    clips = [encoded(moving(count), "gif") for count in (9, 4)]
    found, counts = videos.decoded_gifs(tf.constant(clips), frames=3, size=16)
    assert counts.numpy().tolist() == [9, 4]
    for clip, told in zip(clips, found.numpy(), strict=True):
        assert np.abs(told - videos.read_clip(clip, 3, 16)).max() <= 1


def test_huge_gif_files_are_refused_before_they_are_decoded():
    huge = b"GIF89a" + (60_000).to_bytes(2, "little") * 2 + bytes(20)
    with pytest.raises(tf.errors.InvalidArgumentError, match="at most 4 million pixels"):
        videos.decoded_gifs(tf.constant([huge]), frames=2, size=4)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "which is empty"),
        (b"no clip at all" * 50, "must be a whole file"),
        (encoded(moving())[:700], "must be a whole file"),
        (encoded(moving(1), "gif"), "must have at least 2 frames. Received: -, which has 1"),
        ((lambda file: (Image.new("RGB", (9, 9)).save(file, "PNG"), file.getvalue())[1])(io.BytesIO()), "2 frames"),
    ],
    ids=["empty", "no clip", "cut off", "one frame", "picture"],
)
def test_what_is_no_clip_is_told_in_one_sentence(content, told):
    with pytest.raises(ValueError, match=told.replace(".", r"\.")):
        videos.read_clip(content, frames=3, size=8, least=2)


def test_missing_files_folders_and_short_clips_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="must be there already"):
        videos.read_clip(tmp_path / "none.mp4", 3, 8)
    with pytest.raises(ValueError, match="which is a folder"):
        videos.read_clip(tmp_path, 3, 8)
    with pytest.raises(ValueError, match="at least 21 frames"):
        videos.read_clip(encoded(moving()), frames=11, size=8, stride=2)
    with pytest.raises(ValueError, match="must hold clips"):
        videos.list_clips(tmp_path)
    assert videos.reasons(["A clip must have at least 2 frames", "A clip must hold frames"]) == {
        "too short": 1,
        "without frames": 1,
    }


def test_who_lacks_the_extra_is_told_which(monkeypatch):
    def gone(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(extras, "importlib", types.SimpleNamespace(import_module=gone))
    with pytest.raises(ModuleNotFoundError, match=r"pip install -e '\.\[video\]'"):
        videos.read_clip(b"clip", 3, 8)


def test_frames_are_turned_as_the_camera_was_held():
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[0, 0] = 255
    frame = types.SimpleNamespace(to_ndarray=lambda format: pixels, rotation=-90)
    turned = videos._pixels(frame, 8)
    # Clockwise: what was at the left top is at the right top.
    assert turned[:2, 6:].mean() > 50 and turned[:2, :2].max() == 0


def test_a_long_clip_takes_no_more_memory_than_its_frames_that_are_kept():
    import tracemalloc

    clip = encoded(np.zeros((400, 64, 64, 3), np.uint8))
    tracemalloc.start()
    videos.read_clip(clip, frames=4, size=8)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # All frames would take five million bytes.
    assert peak < 1_000_000


def test_clips_are_kept_on_disk_and_leave_no_file(tmp_path):
    kept = videos.stored((np.full((2, 3), place, np.uint8) for place in range(5)), (2, 3), tmp_path)
    assert isinstance(kept, np.memmap) and kept[:, 0, 0].tolist() == list(range(5))
    assert not list(tmp_path.iterdir())
