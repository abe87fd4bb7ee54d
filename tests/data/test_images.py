"""Pictures of every kind that users have: decoded right, or refused in one sentence."""

import io
import logging
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from kerasmlsp.apps import messages
from kerasmlsp.data import images
from kerasmlsp.data.images import graph

RED, BLUE = (220, 30, 40), (20, 60, 230)


def two_halves(mode="RGB", size=(24, 16)):
    """Red on the left, blue on the right."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, : size[0] // 2], pixels[:, size[0] // 2 :] = RED, BLUE
    picture = Image.fromarray(pixels)
    return picture.quantize(4) if mode == "P" else picture.convert(mode)


def encoded(picture, format, **options):
    stream = io.BytesIO()
    picture.save(stream, format, **options)
    return stream.getvalue()


def close(pixel, colour, tolerance=3):
    return np.abs(np.asarray(pixel, int) - colour).max() <= tolerance


@pytest.mark.parametrize(
    ("format", "mode", "tolerance"),
    [
        ("PNG", "RGB", 0), ("BMP", "RGB", 0), ("WEBP", "RGB", 40), ("JPEG", "RGB", 8), ("GIF", "P", 3),
        ("PNG", "P", 3), ("JPEG", "CMYK", 8), ("PNG", "RGBA", 0),
    ],
)  # fmt: skip
def test_formats_and_modes(format, mode, tolerance):
    pixels = images.read_image(encoded(two_halves(mode), format))
    assert pixels.shape == (16, 24, 3) and pixels.dtype == np.uint8
    assert close(pixels[8, 4], RED, tolerance) and close(pixels[8, 20], BLUE, tolerance)


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_grey_pictures_become_rgb(mode):
    picture = Image.new("L", (6, 4), 255)
    picture.paste(0, (0, 0, 3, 4))
    pixels = images.read_image(encoded(picture.convert(mode), "PNG"))
    assert (pixels[:, :3] == 0).all() and (pixels[:, 3:] == 255).all()


def test_sixteen_bits_keep_their_upper_eight():
    pixels = np.array([[0, 256 * 7 + 200, 65535]], np.uint16)
    found = images.read_image(encoded(Image.fromarray(pixels), "PNG"))
    assert found[0].tolist() == [[0] * 3, [7] * 3, [255] * 3]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_places_are_white(mode):
    picture = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    picture.paste((0, 0, 0, 255), (0, 0, 4, 8))
    pixels = images.read_image(encoded(picture.convert(mode), "PNG"))
    assert (pixels[:, :4] == 0).all() and (pixels[:, 4:] == 255).all()


def test_exif_orientation_is_followed():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held so that the picture has to be turned right by a quarter
    pixels = images.read_image(encoded(two_halves(), "PNG", exif=exif))
    assert pixels.shape == (24, 16, 3)
    assert close(pixels[4, 8], RED) and close(pixels[20, 8], BLUE)


def test_the_first_picture_of_an_animation_is_taken():
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    assert close(images.read_image(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))[0, 0], RED)


def test_resizing_is_tensorflows_with_antialiasing():
    import tensorflow as tf

    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3)).astype(np.uint8)
    found = images.read_image(encoded(Image.fromarray(pixels), "PNG"), size=16)
    expected = tf.image.resize(pixels.astype("float32"), (16, 16), antialias=True).numpy()
    assert np.abs(found - expected).max() <= 1.5
    assert np.array_equal(images.resize(pixels, 16), found)
    assert images.resize(pixels[..., :1], 16).shape == (16, 16, 3)


def heic(picture):
    heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    heif.from_pillow(picture).save(stream, quality=90)
    return stream.getvalue()


def test_photographs_of_phones(tmp_path, monkeypatch):
    data = heic(two_halves(size=(64, 48)))
    pixels = images.read_image(data)
    assert pixels.shape == (48, 64, 3) and close(pixels[24, 10], RED, 12) and close(pixels[24, 54], BLUE, 12)
    with pytest.raises(ValueError, match=r"at most 0\.001 million pixels"):
        images.read_image(data, most_pixels=1000)
    with pytest.raises(ValueError, match="must be a"):
        images.read_image(data[: len(data) // 2])
    (tmp_path / "a.HEIC").write_bytes(data)
    assert images.list_images(tmp_path) == [tmp_path / "a.HEIC"]
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImportError) as caught:
        images.read_image(data)
    assert "'.[heic]'" in messages.sentence(caught.value)


def bomb(width, height):
    """A PNG of a hundred bytes that says it is huge."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("sides", [(9_000, 9_000), (60_000, 60_000)])
def test_huge_pictures_are_refused_before_they_are_decoded(sides):
    with pytest.raises(ValueError, match=r"at most 64 million pixels: make it smaller. Received: the bytes given"):
        images.read_image(bomb(*sides))


def test_pictures_to_show_are_shrunk_in_proportion():
    data = encoded(two_halves(size=(600, 400)), "PNG")
    pixels = images.read_image(data, longest=60)
    assert pixels.shape == (40, 60, 3) and close(pixels[20, 10], RED) and close(pixels[20, 50], BLUE)
    assert images.read_image(data, longest=600).shape == images.read_image(data, longest=9000).shape == (400, 600, 3)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "which is empty"),
        (b"not a picture at all", "must be a JPEG, PNG, GIF, BMP, WebP, TIFF, AVIF, PPM or HEIC"),
        (b"%PDF-1.4", "must be a JPEG"),
        (encoded(two_halves(), "TGA"), "must be a JPEG"),
        (encoded(two_halves(size=(200, 200)), "JPEG")[:700], "must be a whole picture"),
        (encoded(two_halves(size=(200, 200)), "PNG")[:90], "must be a whole picture"),
        (bomb(30, 30), "must be a whole picture"),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path, data, told):
    file = tmp_path / "a.png"
    file.write_bytes(data)
    with pytest.raises(ValueError, match=told) as error:
        images.read_image(file)
    assert str(file) in str(error.value)


def test_places_without_a_picture_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.png"):
        images.read_image(tmp_path / "no.png")
    with pytest.raises(ValueError, match="not a folder"):
        images.read_image(tmp_path)
    with pytest.raises(ValueError, match="`size` must be at least 1"):
        images.read_image(b"x", size=0)


@pytest.fixture
def folder(tmp_path):
    for name, colour in (("red", RED), ("blue", BLUE)):
        (tmp_path / "data" / name / "more").mkdir(parents=True)
        for place in ("2.PNG", "1.png", "more/3.png"):
            Image.new("RGB", (9, 7), colour).save(tmp_path / "data" / name / place)
    (tmp_path / "data" / "LICENSE").write_text("free")
    (tmp_path / "data" / "red" / "notes.txt").write_text("not a picture")
    return tmp_path / "data"


def test_folders_have_a_subfolder_per_class(folder):
    found = images.read_labelled_images(folder, 4)
    assert found.pixels.shape == (6, 4, 4, 3) and found.labels == ["blue"] * 3 + ["red"] * 3
    assert found.names[:3] == ["blue/1.png", "blue/2.PNG", "blue/more/3.png"] and not found.unreadable
    assert close(found.pixels[0, 0, 0], BLUE) and close(found.pixels[-1, 0, 0], RED)


def test_the_preview_of_augmentation_takes_a_picture_of_any_size_up_to_the_limit(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from kerasmlsp import augment
    from kerasmlsp.apps import cli

    seen, output = [], tmp_path / "sheet.png"
    monkeypatch.setattr(augment, "ImageAugmentation", lambda **_: lambda batch, **_: seen.append(batch.shape) or batch)
    Image.new("RGB", (4000, 3000)).save(tmp_path / "large.png")
    words = ("augment", "preview", str(tmp_path / "large.png"), "--output", str(output), "--count", "2")
    assert CliRunner().invoke(cli.root, words).exit_code == 0
    assert seen == [(1, 300, 400, 3)] * 2 and output.stat().st_size > 1000
    before = output.read_bytes()
    (tmp_path / "large.png").write_bytes(bomb(9_000, 9_000))
    result = CliRunner().invoke(cli.root, words)
    assert result.exit_code == 1 and "at most 64 million pixels" in result.stderr
    assert output.read_bytes() == before and len(seen) == 2


def test_what_systems_hide_in_folders_is_no_picture(folder):
    for name in (".thumbnails/1.png", "red/.thumbnails/1.png", "__MACOSX/red/1.png", "red/@eaDir/1.png", "red/._1.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 7)).save(folder / name)
    assert images.read_labelled_images(folder, 4).labels == ["blue"] * 3 + ["red"] * 3
    assert len(images.list_images(folder)) == 6
    # What the folder is called that holds the data makes no difference.
    assert len(images.list_images(folder.rename(folder.with_name(".data")))) == 6


def test_labels_of_a_table_that_are_a_quantity_are_refused(folder):
    rows = [f"red/1.png,{value / 7:.3f}" for value in range(50)]
    (folder / "list.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    with pytest.raises(ValueError, match="50 different numbers from 0 to 7, which looks like"):
        images.read_labelled_images(folder / "list.csv", 4)


def test_unreadable_files_are_counted_not_fatal(folder, caplog):
    (folder / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff no")
    with caplog.at_level(logging.WARNING, "kerasmlsp"):
        found = images.read_labelled_images(folder, 4)
    assert len(found.labels) == 6 and found.unreadable[0][0] == "red/broken.jpg"
    assert "Left out 1 of 7 pictures" in caplog.text and "broken.jpg" in caplog.text


def test_tables_name_paths_and_labels(folder, caplog):
    rows = [
        "file,kind,n",
        "red/1.png,warm,1",
        "blue/1.png,cold,2",
        "blue/gone.png,cold,3",
        f"{folder}/red/2.PNG,warm,4",
    ]
    (folder / "list.csv").write_text("\n".join([*rows, "red/1.png,,5"]) + "\n")
    with caplog.at_level(logging.WARNING, "kerasmlsp"):
        found = images.read_labelled_images(folder / "list.csv", 4, path_column="file", label_column="kind")
    assert found.labels == ["warm", "cold", "warm"] and found.unreadable[0][0] == "blue/gone.png"
    assert images.reasons(reason for _, reason in found.unreadable) == {"not there": 1, "rows without path or label": 1}
    assert "1 of 5 rows" in caplog.text and "gone.png" in caplog.text
    with pytest.raises(ValueError, match=r"`path_column` must be a column of .*: file, kind, n"):
        images.read_labelled_images(folder / "list.csv", 4)


def test_folders_that_are_no_classes_are_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="at least two classes"):
        images.read_labelled_images(tmp_path, 4)
    with pytest.raises(ValueError, match="one folder of pictures per class"):
        images.read_labelled_images(folder / "red" / "more", 4)
    (folder / "green").mkdir()
    with pytest.raises(ValueError, match="must hold pictures"):
        images.read_labelled_images(folder, 4)
    (folder / "green" / "a.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"for every class\. Received: none for 'green'"):
        images.read_labelled_images(folder, 4)
    for name in ("train", "test"):
        (folder / name).mkdir()
    with pytest.raises(ValueError, match=r"must be .*train or .*test"):
        images.read_labelled_images(folder, 4)


@pytest.mark.parametrize("size", [40, 13])
def test_a_graph_decodes_and_stretches_as_python_does(tmp_path, size):
    tf = pytest.importorskip("tensorflow")
    waves = np.sin(np.arange(24)[:, None, None] / [3.0, 5.0, 7.0] + np.arange(36)[:, None] / 4)
    picture = Image.fromarray((127 + 120 * waves).astype(np.uint8))
    files = []
    for ending in ("jpg", "png", "bmp"):
        picture.save(tmp_path / f"picture.{ending}")
        files.append(tmp_path / f"picture.{ending}")
    expected = np.stack([images.read_image(file, size=size) for file in files]).astype(int)
    found = images.decoded(tf.constant([file.read_bytes() for file in files]), size)[0].numpy()
    assert found.shape == (3, size, size, 3) and np.abs(found - expected).max() <= 1
    whole = np.stack([images.read_image(file) for file in files])
    assert np.abs(images.stretched(whole, size).numpy() - expected).max() <= 1


@pytest.mark.parametrize("endian", ["<", ">"])
def test_a_graph_turns_pictures_as_python_does(endian):
    tf = pytest.importorskip("tensorflow")
    picture, files = two_halves(size=(60, 40)).rotate(20), []
    exif = Image.Exif()
    exif.endian = endian
    for orientation in (*range(1, 9), 0, 9):
        exif[0x0110], exif[0x0112] = "camera", orientation
        files.append(encoded(picture, "JPEG", exif=exif, comment=b"Exif is not here"))
    files.append(encoded(picture, "JPEG"))
    expected = np.stack([images.read_image(file, size=24) for file in files]).astype(int)
    assert len({each.tobytes() for each in expected[:8]}) == 8
    found = tf.function(lambda files: images.decoded(files, 24))(tf.constant(files))[0].numpy()
    assert np.abs(found - expected).max() <= 1
    # Sizes and places that lead beyond the file, or back, are no orientation.
    begin = files[5].index(b"Exif")
    odd = [files[5][:place] + b"\xff" + files[5][place + 1 :] for place in range(begin - 4, begin + 60)]
    odd += [each[:place] for place, each in enumerate(odd, start=begin - 4)]
    found = graph._orientations(tf.constant(odd), tf.fill(len(odd), True)).numpy()
    assert (found >= 1).all() and (found <= 8).all() and len(set(found)) > 1


def test_a_graph_knows_the_size_of_a_picture_before_it_decodes_it():
    tf = pytest.importorskip("tensorflow")
    picture = two_halves(size=(700, 300))
    files = [encoded(picture, format) for format in ("JPEG", "PNG", "GIF", "BMP")]
    # A bitmap that is counted from the top has a height below 0.
    files.append(files[3][:22] + struct.pack("<i", -300) + files[3][26:])

    def pixels(*files):
        return graph._pixels(tf.constant([list(file[:26].ljust(26, b"\0")) for file in files])).numpy().tolist()

    assert pixels(*files[1:]) == [700 * 300] * 4
    assert pixels(bomb(9_000, 60_000)) == [9_000 * 60_000]
    assert pixels(b"", b"no", b"no picture" * 9) == [0] * 3
    decode = tf.function(lambda files: images.decoded(files, 16))
    pictures, sides = decode(tf.constant(files))
    assert pictures.shape == (5, 16, 16, 3) and sides.numpy().tolist() == [300] * 5
    for file in (
        bomb(9_000, 9_000),
        files[0].replace(struct.pack(">HH", 300, 700), struct.pack(">HH", 60_000, 60_000)),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match="at most 64 million pixels"):
            decode(tf.constant([files[1], file]))


@pytest.mark.parametrize("format", ["TIFF", "AVIF", "WEBP", "BMP", "PPM", "GIF"])
def test_formats_beside_the_usual_are_read(format):
    assert close(images.read_image(encoded(Image.new("RGB", (16, 16), RED), format))[8, 8], RED)


@pytest.mark.parametrize(
    ("ending", "told"), [("svg", "of no format that is read"), ("tiff", "damaged"), ("png", "empty")]
)
def test_pictures_that_are_left_out_are_counted_with_the_reason(folder, caplog, ending, told):
    content = {"svg": b"<svg/>", "png": b"", "tiff": encoded(Image.new("RGB", (90, 90)), "TIFF")[:200]}[ending]
    for number in range(2):
        (folder / "red" / f"more-{number}.{ending}").write_bytes(content)
    found = images.read_labelled_images(folder, 8)
    assert images.reasons(reason for _, reason in found.unreadable) == {told: 2} and f": 2 {told}." in caplog.text


def test_heic_without_its_extra_is_left_out_and_named(folder, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (folder / "red/phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    images.read_labelled_images(folder, 8)
    assert "1 HEIC, which needs `pip install -e '.[heic]'`" in caplog.text


def test_a_class_without_a_picture_tells_why(folder):
    (folder / "green").mkdir()
    (folder / "green/1.svg").write_text("<svg/>")
    with pytest.raises(ValueError, match=r"none for 'green' \(1 of no format that is read\)"):
        images.read_labelled_images(folder, 8)


def test_numbers_with_a_fraction_are_no_picture():
    with pytest.raises(ValueError, match="whole numbers"):
        images.read_image(encoded(Image.new("F", (8, 8), 0.5), "TIFF"))


def test_the_square_in_the_middle_is_cut_out():
    pixels = np.zeros((100, 300, 3), np.uint8)
    pixels[:, 140:160] = 250
    found = images.centred(pixels, 50, whole=60)
    assert found.shape == (50, 50, 3) and found[:, 25].min() > 200 and not found[:, :10].any()
    assert images.centred(pixels[:, 150:151], 50).shape == (50, 50, 3)
