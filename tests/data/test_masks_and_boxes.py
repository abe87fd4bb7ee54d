"""Masks and boxes of pictures: every format gives the same, and what is wrong is left out or told in one sentence."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from kerasmlsp.data import boxes, images, masks

MASK = np.array([[0, 1, 1], [255, 2, 2]], np.uint8)
CELL, PLATELET = (10.0, 20.0, 30.0, 35.0), (0.0, 0.0, 8.0, 6.0)


def encoded(picture, format="PNG", **options):
    stream = io.BytesIO()
    picture.save(stream, format, **options)
    return stream.getvalue()


def palette_picture(numbers):
    picture = Image.frombytes("P", numbers.shape[::-1], numbers.tobytes())
    # Colours that say nothing of the numbers.
    picture.putpalette(list(range(255, -1, -1)) * 3)
    return picture


def test_masks_are_class_numbers_whatever_the_format():
    files = [encoded(palette_picture(MASK)), encoded(Image.fromarray(MASK)), encoded(Image.fromarray(MASK), "BMP")]
    files.append(encoded(Image.fromarray(MASK.astype(np.uint16))))
    for file in files:
        np.testing.assert_array_equal(masks.read_mask(file), MASK)


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (encoded(Image.new("RGB", (3, 2))), "must be a mask with the number of one class a pixel"),
        (encoded(Image.fromarray(MASK), "JPEG"), "must be a mask with the number of one class a pixel"),
        (encoded(Image.fromarray(np.full((2, 2), 300, np.uint16))), "numbers from 0 to 255. Received: .*, with 300"),
        (
            encoded(Image.fromarray(np.full((2, 2), -2, np.int32)), "TIFF"),
            "numbers from 0 to 255. Received: .*, with -2",
        ),
        (encoded(Image.fromarray(MASK))[:45], "must be a whole picture"),
        (b"no mask", "must be a JPEG, PNG"),
        (b"", "which is empty"),
    ],
)
def test_what_is_no_mask_is_refused(file, told):
    with pytest.raises(ValueError, match=told) as caught:
        masks.read_mask(file)
    assert "Received: the bytes given" in str(caught.value)


@pytest.fixture
def street(tmp_path):
    """Pictures that have masks, and some whose masks are wrong."""
    random = np.random.default_rng(0)
    for folder in ("pictures/a", "masks/a"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("a/1", "a/2", "small", "lone", "torn"):
        Image.fromarray(random.integers(0, 256, (12, 18, 3), np.uint8)).save(tmp_path / f"pictures/{name}.jpg")
        if name != "lone":
            height = 6 if name == "small" else 12
            numbers = random.integers(0, 3, (height, 18), np.uint8)
            palette_picture(numbers).save(tmp_path / f"masks/{name}_L.png")
    (tmp_path / "pictures/torn.jpg").write_bytes(b"\xff\xd8\xff broken")
    return tmp_path


def test_pictures_and_masks_are_matched_by_name_and_the_wrong_ones_counted(street, caplog):
    found = masks.read_masked_images(street / "pictures", street / "masks", 8, suffix="_L")
    assert found.names == ["a/1.jpg", "a/2.jpg"] and found.masks.shape == (2, 8, 8)
    assert found.left_out == {
        "without a mask": 1,
        "with a mask of another size": 1,
        "of no format that is read": 1,
    }
    assert "Left out 3 of 5 pictures" in caplog.text
    whole = masks.read_mask(found.files[0])
    np.testing.assert_array_equal(found.masks[0], masks.stretched(whole, 8, 8))
    assert found.taken(np.array([1])).names == ["a/2.jpg"]


def test_a_stretched_mask_has_the_nearest_numbers():
    mask = np.arange(12, dtype=np.uint8).reshape(3, 4)
    np.testing.assert_array_equal(masks.stretched(mask, 6, 8), mask.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(masks.stretched(mask, 3, 2), mask[:, [1, 3]])


@pytest.mark.parametrize(
    ("pictures", "numbers", "suffix", "told"),
    [
        ("pictures", "pictures", "", "must be another folder"),
        ("pictures", "masks", "", "which has none called a/1"),
        ("pictures", "nowhere", "", "`masks` must be there already"),
        ("masks/a", "pictures", "", "`masks` must hold masks"),
    ],
)
def test_folders_that_do_not_fit_are_refused(street, pictures, numbers, suffix, told):
    with pytest.raises((ValueError, FileNotFoundError), match=told):
        masks.read_masked_images(street / pictures, street / numbers, 8, suffix=suffix)


def test_classes_are_the_numbers_that_are_there_or_named():
    assert masks.classes(MASK, [255]) == ([0, 1, 2], ["0", "1", "2"])
    assert masks.classes(MASK, [255, 1], ["sky", "void", "road", "car"]) == ([0, 2, 3], ["sky", "road", "car"])
    with pytest.raises(ValueError, match="no name for 2"):
        masks.classes(MASK, [255], ["sky", "road"])
    with pytest.raises(ValueError, match="two classes at least"):
        masks.classes(MASK, [255, 1, 2])
    with pytest.raises(ValueError, match="as of a picture"):
        masks.classes(np.arange(200, dtype=np.uint8), [])
    np.testing.assert_array_equal(masks.numbered(MASK, [1, 2], [0, 255]), [[0, 1, 1], [0, 2, 2]])
    with pytest.raises(ValueError, match=r"for no class. Received: 2 in a.png"):
        masks.numbered(MASK, [0, 1], [255], "a.png")


def note(things, name="a.png", size=(40, 40)):
    rows = ""
    for label, box in things:
        sides = "".join(f"<{side}>{value}</{side}>" for side, value in zip(boxes.SIDES, box, strict=True))
        rows += f"<object><name>{label}</name><bndbox>{sides}</bndbox></object>"
    sizes = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>" if size else ""
    return f"<annotation><filename>{name}</filename>{sizes}{rows}</annotation>"


def coco(things):
    rows = [
        {"image_id": 7, "category_id": 1 + (label == "platelet"), "bbox": [*box[:2], box[2] - box[0], box[3] - box[1]]}
        for label, box in things
    ]
    kinds = [{"id": 1, "name": "cell"}, {"id": 2, "name": "platelet"}]
    pictures = [{"id": 7, "file_name": "a.png", "width": 40, "height": 40}, {"id": 8, "file_name": "b.png"}]
    return {"images": pictures, "annotations": rows, "categories": kinds}


THINGS = [("cell", CELL), ("platelet", PLATELET)]


@pytest.fixture
def blood(tmp_path):
    """The same boxes in three formats; one picture has none."""
    for name in ("a", "b"):
        Image.new("RGB", (40, 40), (200, 180, 180)).save(tmp_path / f"{name}.png")
    for folder in ("voc/Annotations", "voc/JPEGImages", "voc/ImageSets/Main"):
        (tmp_path / folder).mkdir(parents=True)
    for name, things in (("a", THINGS), ("b", [])):
        (tmp_path / f"voc/Annotations/{name}.xml").write_text(note(things, f"{name}.png"))
        (tmp_path / f"voc/JPEGImages/{name}.png").write_bytes((tmp_path / f"{name}.png").read_bytes())
        (tmp_path / f"voc/ImageSets/Main/only_{name}.txt").write_text(f"{name}\n")
    (tmp_path / "boxes.json").write_text(json.dumps(coco(THINGS)))
    rows = [",".join(["a.png", label, *map(str, box)]) for label, box in THINGS]
    (tmp_path / "boxes.csv").write_text("\n".join(["path,label,xmin,ymin,xmax,ymax", *rows, "b.png,,,,,"]) + "\n")
    return tmp_path


@pytest.mark.parametrize("source", ["voc", "boxes.json", "boxes.csv"])
def test_every_format_gives_the_same_boxes(blood, source):
    found = boxes.read_boxed_images(blood / source, 16)
    assert found.labels == [["cell", "platelet"], []] and found.pixels.shape == (2, 16, 16, 3)
    np.testing.assert_allclose(found.in_pixels()[0], [CELL, PLATELET], atol=1e-4)
    assert found.boxes[1].shape == (0, 4) and found.left_out == {} and found.dropped == {}
    assert found.sizes.tolist() == [[40, 40]] * 2


def test_a_list_of_pascal_voc_chooses_pictures(blood):
    assert len(boxes.list_boxes(blood / "voc", split="only_a")) == 1
    with pytest.raises(ValueError, match=r"\['only_a', 'only_b'\]. Received: 'test'"):
        boxes.list_boxes(blood / "voc", split="test")
    with pytest.raises(ValueError, match="`split` must be a list of a folder of Pascal VOC"):
        boxes.list_boxes(blood / "boxes.csv", split="test")


def test_boxes_are_cut_to_their_picture_and_wrong_ones_counted(blood, caplog):
    wrong = [("cell", (30, 30, 99, 50)), ("cell", (50, 0, 60, 9)), ("cell", (9, 9, 9, 20)), ("cell", (9, 9, "x", 20))]
    (blood / "voc/Annotations/a.xml").write_text(note(wrong, size=None))
    found = boxes.read_boxed_images(blood / "voc", 16)
    np.testing.assert_allclose(found.in_pixels()[0], [(30, 30, 40, 40)])
    reasons = ("outside of their picture", "without area", "with coordinates that are no numbers")
    assert found.dropped == dict.fromkeys(reasons, 1) and "Left out 3 of 4 boxes" in caplog.text


def test_pictures_of_another_size_than_their_boxes_are_for_are_left_out(blood):
    (blood / "voc/Annotations/b.xml").write_text(note([], "b.png", size=(80, 40)))
    found = boxes.read_boxed_images(blood / "voc", 16)
    assert found.left_out == {"of another size than their boxes are for": 1}
    assert [path.name for path in found.files] == ["a.png"]


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("voc/Annotations/a.xml", "<annotation><object>", "must be an XML file of Pascal VOC"),
        ("voc/Annotations/a.xml", "<html></html>", "must be an XML file of Pascal VOC"),
        ("voc/Annotations/a.xml", '<!DOCTYPE a [<!ENTITY b "c">]><annotation/>', "must be an XML file of Pascal VOC"),
        ("voc/Annotations/a.xml", '<?xml version="1.0" encoding="klingon"?><annotation/>', "must be an XML file of"),
        ("voc/Annotations/a.xml", note([("", CELL)]), "must name the class of every object"),
        ("boxes.json", "{}", "must be a JSON file of COCO"),
        ("boxes.json", "[1]", "must be a JSON file of COCO"),
        ("boxes.json", '{"images": ', "is damaged"),
        ("boxes.json", "[" * 100_000, "is damaged"),
        ("boxes.json", json.dumps(coco([])).replace('"width": 40', '"width": Infinity'), "must be a JSON file of COCO"),
        ("boxes.csv", "path,label,xmin,ymin,xmax\na.png,cell,1,2,3\n", "ymax"),
        ("boxes.csv", "path,label,xmin,ymin,xmax,ymax\na.png,,1,2,3,4\n", "must name the class of every box"),
        ("boxes.csv", "path,label,xmin,ymin,xmax,ymax\na.png,cell,3,2,1,4\n", "must hold boxes within its pictures"),
        ("boxes.csv", "path,label,xmin,ymin,xmax,ymax\nno.png,cell,1,2,3,4\n", "must hold pictures that can be read"),
    ],
)
def test_files_that_are_wrong_are_told_in_one_sentence(blood, file, text, told):
    (blood / file).write_text(text)
    with pytest.raises(ValueError, match=told) as caught:
        boxes.read_boxed_images(blood / file.split("/")[0], 16)
    assert "\n" not in str(caught.value)


def test_an_annotation_of_coco_without_its_picture_is_refused(blood):
    content = coco(THINGS)
    content["annotations"][0]["image_id"] = 99
    (blood / "boxes.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"that fit each other. Received: KeyError 99"):
        boxes.list_boxes(blood / "boxes.json")


def test_files_are_decoded_at_their_own_size_and_turned():
    tf = pytest.importorskip("tensorflow")
    random = np.random.default_rng(0)
    files = []
    for orientation, size in ((1, (6, 9)), (6, (5, 8)), (3, (7, 4))):
        exif = Image.Exif()
        exif[0x0112] = orientation
        files.append(encoded(Image.fromarray(random.integers(0, 256, (*size, 3), np.uint8)), "JPEG", exif=exif))

    def corner(picture):
        return tf.concat([tf.shape(picture)[:2], tf.cast(picture[0, 0], tf.int32)], 0)

    graph = tf.function(lambda each: images.each_decoded(each, corner, tf.TensorSpec([5], tf.int32)))
    for file, found in zip(files, graph(tf.constant(files)).numpy(), strict=True):
        expected = images.read_image(file)
        assert found[:2].tolist() == list(expected.shape[:2])
        assert np.abs(found[2:] - expected[0, 0].astype(int)).max() <= 2


def test_a_table_of_boxes_has_commas_in_numbers_and_classes_for_labels(tmp_path):
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    path = tmp_path / "boxes.csv"
    path.write_text("path;label;xmin;ymin;xmax;ymax\na.png;cell;10,5;0;20,5;15\n")
    found = boxes.read_boxed_images(path, 8)
    np.testing.assert_allclose(found.in_pixels()[0], [[10.5, 0, 20.5, 15]], atol=1e-4)
    rows = [f"a.png;0,{number:02};1;1;9;9\n" for number in range(10, 40)]
    path.write_text("path;label;xmin;ymin;xmax;ymax\n" + "".join(rows))
    with pytest.raises(ValueError, match=r"`label_column` must hold classes.*a quantity to estimate"):
        boxes.read_boxed_images(path, 8)
