"""`kerasmlsp augment`: look at what augmentation makes of a picture before training on it, and make backgrounds."""

from pathlib import Path

import click

from kerasmlsp.apps import options

# Longest side of a picture, of which the sheet shows about 200 pixels.
_SHOWN = 400
_SHARE = options.FiniteRange(0, 1, max_open=True)


@click.group(cls=options.Group)
def augment():
    """Look at what augmentation makes of a picture, and make backgrounds.

    \b
    kerasmlsp augment preview hand.jpg --output sheet.png --rotation 30
    kerasmlsp augment backgrounds --output backgrounds
    """


def _share(name, default, text):
    return click.option(name, type=_SHARE, default=default, show_default=True, help=text)


@augment.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--output", type=options.Target(".png"), required=True, metavar="SHEET.png", help="File to write.")
@click.option("--count", type=click.IntRange(1, 100), default=15, show_default=True, help="Changed pictures to show.")
@click.option("--rotation", type=options.FiniteRange(min=0), default=20.0, show_default=True, help="Degrees.")
@_share("--zoom", 0.15, "Growing or shrinking.")
@_share("--crop", 0.0, "Cut off.")
@_share("--shift", 0.1, "Shift.")
@_share("--shear", 0.0, "Shear.")
@click.option(
    "--flip", type=click.Choice(["none", "horizontal", "vertical", "both"]), default="none", show_default=True
)
@_share("--brightness", 0.2, "Change of brightness.")
@_share("--contrast", 0.3, "Change of contrast.")
@_share("--saturation", 0.4, "Change of saturation.")
@click.option(
    "--noise", type=options.FiniteRange(min=0), default=0.0, show_default=True, help="Standard deviation, of 255."
)
@_share("--erasing", 0.0, "Probability of an erased rectangle.")
@click.option(
    "--rand-augment", type=options.FiniteRange(0, 1), metavar="MAGNITUDE", help="RandAugment in place of all that."
)
@options.seed_option
def preview(image, output, count, flip, rand_augment, seed, **strengths):
    """Draw a contact sheet: the picture, and what training would see of it.

    \b
    kerasmlsp augment preview hand.jpg --output sheet.png --flip horizontal
    kerasmlsp augment preview hand.jpg --output sheet.png --rand-augment 0.5
    """
    if rand_augment is not None:
        options.refuse("RandAugment takes the place of all other changes", "flip", *strengths)
    from kerasmlsp import files
    from kerasmlsp.data import images

    picture = images.read_image(image, longest=_SHOWN)
    with options.quiet_imports():
        import keras
        import numpy as np

        from kerasmlsp import augment, plotting
    if rand_augment is not None:
        layer = augment.RandAugment(magnitude=rand_augment, seed=seed)
    else:
        layer = augment.ImageAugmentation(flip=None if flip == "none" else flip, seed=seed, **strengths)
    # One by one: a hundred at once would take gigabytes.
    changed = [keras.ops.convert_to_numpy(layer(picture[None], training=True)[0]) for _ in range(count)]
    changed = [np.clip(each.round(), 0, 255).astype(np.uint8) for each in changed]
    files.write_atomically(output, lambda place: plotting.contact_sheet([picture, *changed], place))
    options.print_results({"output": str(output), "pictures": count + 1})
    options.tell_figure(output)


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
    with options.quiet_imports():
        from PIL import Image

        from kerasmlsp.data import backgrounds as app
    output.mkdir()
    for number, pixels in enumerate(app.made(count, size, seed)):
        Image.fromarray(pixels).save(output / f"{number:05}.png")
    options.print_results({"output": str(output), "pictures": count})
