"""`kerasmlsp augment`: look at what augmentation makes of a picture before training on it, and make backgrounds."""

from pathlib import Path

import click

from kerasmlsp.apps import messages, options, printing
from kerasmlsp.apps.gesture.config import AUGMENTATION, Config

# Longest side of a picture, of which the sheet shows about 200 pixels.
_SHOWN = 400


@click.group(cls=messages.Group)
def augment():
    """Look at what augmentation makes of a picture, and make backgrounds.

    \b
    kerasmlsp augment preview hand.jpg --output sheet.png --rotation 30
    kerasmlsp augment backgrounds --output backgrounds
    """


@augment.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--output", type=options.Target(".png"), required=True, metavar="SHEET.png", help="File to write.")
@click.option("--count", type=click.IntRange(1, 100), default=15, show_default=True, help="Changed pictures to show.")
@options.settings(Config, *AUGMENTATION, "seed")
@click.option(
    "--rand-augment", type=options.FiniteRange(0, 1), metavar="MAGNITUDE", help="RandAugment in place of all that."
)
def preview(image, output, count, rand_augment, **values):
    """Draw a contact sheet: the picture, and what `gesture train` with the same options makes of it.

    \b
    kerasmlsp augment preview hand.jpg --output sheet.png --rotation 45
    kerasmlsp augment preview hand.jpg --output sheet.png --rand-augment 0.5
    """
    if rand_augment is not None:
        options.refuse("RandAugment takes the place of all other changes", *AUGMENTATION)
    from kerasmlsp import files
    from kerasmlsp.data import images

    picture = images.read_image(image, longest=_SHOWN)
    with messages.quiet_imports():
        import keras
        import numpy as np

        from kerasmlsp import augment, plotting
        from kerasmlsp.apps.gesture import model
    if rand_augment is not None:
        layer = augment.RandAugment(magnitude=rand_augment, seed=values["seed"])
    else:
        layer = model.augmentation(Config(**values))
    # One by one: a hundred at once would take gigabytes.
    changed = [keras.ops.convert_to_numpy(layer(picture[None], training=True)[0]) for _ in range(count)]
    changed = [np.clip(each.round(), 0, 255).astype(np.uint8) for each in changed]
    files.write_atomically(output, lambda place: plotting.contact_sheet([picture, *changed], place))
    printing.print_results({"output": str(output), "pictures": count + 1})
    printing.tell_figure(output)


@augment.command()
@click.option("--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Folder to make.")
@click.option("--count", type=click.IntRange(min=1), default=2000, show_default=True, help="Pictures.")
@click.option("--size", type=click.IntRange(min=16), default=64, show_default=True, help="Their height and width.")
@options.seed_option
def backgrounds(output, count, size, seed):
    """Make pictures of no thing in particular: what `gesture train --background` learns to refuse.

    They are computed from the seed, so that a model trained with them may be given away. Photographs of the rooms where
    a model is to be used are better.

    \b
    kerasmlsp augment backgrounds --output backgrounds
    kerasmlsp gesture train --data photos --background backgrounds --run mine
    """
    with messages.quiet_imports():
        from PIL import Image

        from kerasmlsp.data import backgrounds as app
    output.mkdir()
    for number, pixels in enumerate(app.made(count, size, seed)):
        Image.fromarray(pixels).save(output / f"{number:05}.png")
    printing.print_results({"output": str(output), "pictures": count})
