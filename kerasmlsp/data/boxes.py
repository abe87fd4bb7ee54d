"""Pictures with boxes around things: Pascal VOC's XML, COCO's JSON, and tables."""

import collections
import dataclasses
import logging
import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from kerasmlsp import files
from kerasmlsp.data import images, labelled, tables
from kerasmlsp.files import existing, visible_files

_log = logging.getLogger("kerasmlsp")

SIDES = ("xmin", "ymin", "xmax", "ymax")
_LISTS = "ImageSets/Main"


@dataclasses.dataclass
class Listed:
    """What a file says of one picture.

    Args:
        path: The picture.
        boxes: Left, top, right and bottom in pixels of each thing.
        labels: Class of each.
        size: Width and height that the boxes are for; None where that is not said.

    Example:
        >>> Listed(Path("blood.jpg"), [(1.0, 2.0, 30.0, 40.0)], ["cell"]).labels
        ['cell']
    """

    path: Path
    boxes: list[tuple[float, ...]] = dataclasses.field(default_factory=list)
    labels: list[str] = dataclasses.field(default_factory=list)
    size: tuple[int, int] | None = None


@dataclasses.dataclass(frozen=True)
class BoxedImages:
    """Pictures of one size with the boxes of their things.

    Args:
        pixels: uint8 `(images, size, size, 3)`.
        boxes: Of each picture `(things, 4)`, float32: left, top, right, bottom as parts of width and height.
        labels: Of each picture the classes of its things.
        sizes: Width and height of each picture in its file, `(images, 2)`.
        files: Path of each picture.
        left_out: How many pictures were left out, by reason.
        dropped: How many boxes were left out, by reason.

    Example:
        >>> box = np.array([[0.0, 0.0, 0.5, 1.0]], "float32")
        >>> pixels, sizes = np.zeros((1, 8, 8, 3), np.uint8), np.array([[640, 480]])
        >>> BoxedImages(pixels, [box], [["cell"]], sizes, [Path("a.jpg")]).names
        ['a.jpg']
    """

    pixels: np.ndarray
    boxes: list[np.ndarray]
    labels: list[list[str]]
    sizes: np.ndarray
    files: list[Path]
    left_out: dict[str, int] = dataclasses.field(default_factory=dict)
    dropped: dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Path of each picture as text."""
        return [path.as_posix() for path in self.files]

    def taken(self, indices: np.ndarray) -> "BoxedImages":
        """Returns some of the pictures."""
        boxes, labels = [self.boxes[i] for i in indices], [self.labels[i] for i in indices]
        files = [self.files[i] for i in indices]
        return dataclasses.replace(
            self, pixels=self.pixels[indices], boxes=boxes, labels=labels, sizes=self.sizes[indices], files=files
        )

    def in_pixels(self) -> list[np.ndarray]:
        """Returns the boxes in pixels of the files."""
        return [box * np.tile(size, 2) for box, size in zip(self.boxes, self.sizes, strict=True)]


def read_boxed_images(path: str | Path, size: int, **options: Any) -> BoxedImages:
    """Reads pictures, stretched to one size, and the boxes in them.

    Boxes are cut to their picture; those outside of it, without area or with coordinates that are no numbers are left
    out, as are pictures that cannot be read or have another size than the boxes are for. The log counts both.

    Args:
        path: As in `list_boxes`.
        size: Height and width.
        **options: As in `list_boxes`.

    Raises:
        FileNotFoundError: A file or folder is not there.
        ValueError: There is no picture that can be read, or no box, or the classes are numbers of a quantity.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> Image.new("RGB", (40, 20)).save(folder / "a.png")
        >>> _ = (folder / "boxes.csv").write_text("path,label,xmin,ymin,xmax,ymax\\na.png,cell,10,0,50,10\\n")
        >>> found = read_boxed_images(folder / "boxes.csv", size=8)
        >>> found.boxes[0].tolist(), found.labels  # cut at 40
        ([[0.25, 0.0, 1.0, 0.5]], [['cell']])
    """
    rows = list_boxes(path, **options)
    found = list(files.side_by_side(rows, lambda row: _read(row, size)))
    problems = [str(each) for each in found if isinstance(each, Exception)]
    left_out = images.reasons(problems)
    if len(problems) == len(found):
        raise ValueError(f"`data` must hold pictures that can be read. Received: {path}: {problems[0]}")
    if problems:
        told = files.listed(left_out)
        _log.warning("Left out %d of %d pictures of %s: %s. %s", len(problems), len(found), path, told, problems[0])
    kept = [(row, each) for row, each in zip(rows, found, strict=True) if not isinstance(each, Exception)]
    dropped: collections.Counter = collections.Counter()
    boxes, labels = [], []
    for row, (_, sides) in kept:
        own, named = _clean(row, sides, dropped)
        boxes.append(own)
        labels.append(named)
    if dropped:
        whole = dropped.total() + sum(map(len, boxes))
        _log.warning("Left out %d of %d boxes of %s: %s.", dropped.total(), whole, path, files.listed(dropped))
    if not any(map(len, boxes)):
        raise ValueError(f"`data` must hold boxes within its pictures. Received: {path}, which has none")
    labelled.check_classes(path, {label for named in labels for label in named}, least=1)
    pixels, sizes = np.stack([each for _, (each, _) in kept]), np.array([sides for _, (_, sides) in kept])
    return BoxedImages(pixels, boxes, labels, sizes, [row.path for row, _ in kept], left_out, dict(dropped))


def _read(row, size):
    pixels = images.read_image(row.path)
    height, width = pixels.shape[:2]
    if row.size is not None and row.size != (width, height):
        raise ValueError(
            f"`path` must be of the size that its boxes are for, {row.size[0]} x {row.size[1]}. Received: {row.path} "
            f"of {width} x {height} pixels"
        )
    return images.resize(pixels, size), (width, height)


def _clean(row, sides, dropped):
    """The boxes of a picture as parts of it, and their labels; what is dropped is counted."""
    boxes, labels = [], []
    for box, label in zip(row.boxes, row.labels, strict=True):
        if not all(map(math.isfinite, box)):
            dropped["with coordinates that are no numbers"] += 1
            continue
        left, right = (min(max(each, 0.0), sides[0]) for each in box[::2])
        top, bottom = (min(max(each, 0.0), sides[1]) for each in box[1::2])
        if box[2] <= box[0] or box[3] <= box[1]:
            dropped["without area"] += 1
        elif right <= left or bottom <= top:
            dropped["outside of their picture"] += 1
        else:
            boxes.append((left / sides[0], top / sides[1], right / sides[0], bottom / sides[1]))
            labels.append(label)
    return np.array(boxes, "float32").reshape(-1, 4), labels


def list_boxes(
    path: str | Path,
    *,
    split: str | None = None,
    pictures: str | Path | None = None,
    path_column: str = "path",
    label_column: str = "label",
    box_columns: tuple[str, ...] = SIDES,
    encoding: str = "utf-8",
) -> list[Listed]:
    """Lists pictures and the boxes in them, as the files say.

    Args:
        path: Folder with XML files of Pascal VOC, with or without its subfolders; JSON file of COCO; or table (see
            `kerasmlsp.data.tables.read_table`) with a row for each box, without box for a picture without things.
        split: Name of a list in the `ImageSets/Main` of a folder, such as "train"; None for all.
        pictures: Folder that the pictures are in; None for that of the file, or `JPEGImages`.
        path_column: Column of a table that holds the paths of the pictures.
        label_column: Column of a table that holds the classes.
        box_columns: Columns of a table that hold left, top, right and bottom in pixels.
        encoding: That of a table of text.

    Raises:
        FileNotFoundError: A file or folder is not there.
        ValueError: A file is damaged or of another kind, or lists no picture.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> thing = "<object><name>cell</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>8</ymax></bndbox>"
        >>> text = f"<annotation><filename>a.jpg</filename>{thing}</object></annotation>"
        >>> _ = (folder / "a.xml").write_text(text)
        >>> [found] = list_boxes(folder)
        >>> found.path.name, found.boxes, found.labels
        ('a.jpg', [(1.0, 2.0, 9.0, 8.0)], ['cell'])
    """
    path = existing(path, "data")
    base = None if pictures is None else existing(pictures, "pictures")
    if path.is_dir():
        rows = _of_xml(path, split, base)
    elif split is not None:
        raise ValueError(f"`split` must be a list of a folder of Pascal VOC. Received: {split!r} for the file {path}")
    elif path.suffix.lower() == ".json":
        rows = _of_json(path, base or path.parent)
    else:
        columns = (path_column, label_column, *box_columns)
        rows = _of_table(path, base or path.parent, columns, encoding)
    if not rows:
        raise ValueError(f"`data` must list pictures. Received: {path}, which lists none")
    return rows


def _of_xml(folder, split, base):
    notes = folder / "Annotations" if (folder / "Annotations").is_dir() else folder
    paths = visible_files(notes, (".xml",))
    if not paths:
        raise ValueError(f"`data` must hold XML files of Pascal VOC. Received: {folder}, which holds none")
    if split is not None:
        place = folder / _LISTS / f"{split}.txt"
        if not place.exists():
            known = sorted(each.stem for each in visible_files(folder / _LISTS, (".txt",)))
            raise ValueError(f"`split` must be a list in {folder / _LISTS}: {known}. Received: {split!r}")
        wanted = [line.split()[0] for line in tables.read_lines(place) if line.strip()]
        there = {each.stem: each for each in paths}
        if lacking := [name for name in wanted if name not in there]:
            raise ValueError(f"{place} must name XML files that are there. Received: {lacking[0]}")
        paths = [there[name] for name in wanted]
    place = base or (folder / "JPEGImages" if (folder / "JPEGImages").is_dir() else None)
    return [_of_note(each, place or each.parent) for each in paths]


def _of_note(path, base):
    """What one XML file lists."""
    text = path.read_bytes()
    try:
        # Entities may blow a small file up.
        root = None if b"<!ENTITY" in text else ElementTree.fromstring(text)
        if root is None or root.tag != "annotation":
            raise ValueError(root)
        row = Listed(base / _name(root, path, base), size=_size(root))
        for thing in root.iter("object"):
            row.labels.append(str(thing.findtext("name", "")).strip())
            row.boxes.append(tuple(_number(thing.findtext(f"bndbox/{side}")) for side in SIDES))
    except (ElementTree.ParseError, LookupError, ValueError):  # LookupError: an encoding that is not known
        raise ValueError(f"{path} must be an XML file of Pascal VOC: write it again, or move it away.") from None
    if "" in row.labels:
        raise ValueError(f"{path} must name the class of every object. Received: an object without a name.")
    return row


def _name(root, path, base):
    """Name of the picture: as the file says, or that of the file where there is no such picture."""
    said = Path(str(root.findtext("filename", "")).replace("\\", "/")).name
    if said and (base / said).exists():
        return said
    own = [f"{path.stem}{ending}" for ending in images.ENDINGS]
    return next((name for name in own if (base / name).exists()), said or own[0])


def _size(root):
    width, height = (_number(root.findtext(f"size/{side}")) for side in ("width", "height"))
    return (int(width), int(height)) if 0 < width < math.inf and 0 < height < math.inf else None


def _number(text):
    try:
        return float((text or "").replace(",", "."))  # as half of the world writes it
    except ValueError:
        return math.nan


def _of_json(path, base):
    content = files.read_json(path)
    try:
        names = {each["id"]: str(each["name"]) for each in content["categories"]}
        rows = {each["id"]: _of_coco(each, base) for each in content["images"]}
        for each in content["annotations"]:
            if each.get("iscrowd"):
                continue
            left, top, width, height = (float(number) for number in each["bbox"])
            rows[each["image_id"]].boxes.append((left, top, left + width, top + height))
            rows[each["image_id"]].labels.append(names[each["category_id"]])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ValueError(
            f"{path} must be a JSON file of COCO, with images, categories and annotations that fit each other. "
            f"Received: {type(error).__name__} {error}"
        ) from error
    return list(rows.values())


def _of_coco(picture, base):
    width, height = (int(picture.get(side) or 0) for side in ("width", "height"))
    return Listed(base / picture["file_name"], size=(width, height) if width and height else None)


def _of_table(path, base, columns, encoding):
    table = tables.read_table(path, encoding=encoding)
    names = ("path_column", "label_column", *(f"box_columns[{place}]" for place in range(len(SIDES))))
    tables.check_columns(path, table.columns, **dict(zip(names, columns, strict=True)))
    rows: dict[str, Listed] = {}
    for name, label, *box in _cells(table, columns):
        if not name:
            continue
        row = rows.setdefault(name, Listed(base / name))
        if label or any(box):
            row.labels.append(label)
            row.boxes.append(tuple(map(_number, box)))
    lacking = next((row.path for row in rows.values() if "" in row.labels), None)
    if lacking is not None:
        raise ValueError(f"{path} must name the class of every box. Received: a box of {lacking} without one")
    return list(rows.values())


def _cells(table, columns) -> Iterable[list[str]]:
    for row in table[list(columns)].astype(object).itertuples(index=False):
        yield ["" if cell is None or cell != cell else str(cell).strip() for cell in row]
