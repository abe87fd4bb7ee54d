"""The commands of the interpret application."""

import dataclasses
from pathlib import Path

import click

from kerasmlsp.apps import messages, options, printing
from kerasmlsp.apps.interpret import fooling, shared

_METHODS = ("gradient", "smooth", "integrated", "guided", "deconvolution")
_COUNT = click.option("--count", type=click.IntRange(1, 256), default=24, show_default=True, help="How many to draw.")


@click.group(cls=messages.Group)
def interpret():
    """See what networks look at, what their layers hold, and fool them.

    \b
    kerasmlsp interpret layers
    kerasmlsp interpret saliency photo.jpg --method smooth
    kerasmlsp interpret fool photos --method deepfool
    kerasmlsp interpret maximise --model mine --class five
    """


def _told(subject, names, answers, confidence, **more):
    rows = zip(names, answers, confidence, strict=True)
    return [{"label": subject.classes[a], "confidence": float(c), **more, "file": name} for name, a, c in rows]


@interpret.command()
@shared.command()
def layers(model, class_names, box, as_json):
    """List the layers of the network, what they give, and how much of a picture one unit sees.

    \b
    kerasmlsp interpret layers
    kerasmlsp interpret layers --model mine
    """
    _, subject = shared.subject(model, class_names, box)
    from kerasmlsp import interpret as library

    rows = []
    for name, shape in library.layers(subject.model).items():
        size = " x ".join("n" if each is None else str(each) for each in shape[1:])
        rows.append({"layer": name, "output": size, "sees": _seen(library, subject.model, name, shape)})
    printing.print_results(rows, as_json)


def _seen(library, model, name, shape):
    if len(shape) != 4:
        return None
    try:
        rows, columns = library.receptive_field(model, name)
    except ValueError:  # a layer that sees everything, or of a kind of its own
        return None
    return f"{rows.size} x {columns.size}"


@interpret.command()
@shared.SOURCES
@click.option("--method", type=click.Choice(_METHODS), default="gradient", show_default=True, help="How it is told.")
@shared.CLASS
@options.seed_option
@shared.command("saliency")
def saliency(sources, method, wanted, seed, **values):
    """Draw which pixels speak for a class, by gradients.

    `smooth` is SmoothGrad, `integrated` integrated gradients from black.

    \b
    kerasmlsp interpret saliency photo.jpg
    kerasmlsp interpret saliency photo.jpg --method integrated --class "sea lion"
    """
    if method != "smooth":
        options.refuse("Only SmoothGrad draws noise", "seed")
    _explain(sources, method, wanted, None, seed, **values)


@interpret.command()
@shared.SOURCES
@click.option("--layer", metavar="NAME", help="Layer with maps; default the last.")
@shared.CLASS
@shared.command("cam")
def cam(sources, layer, wanted, **values):
    """Draw which places speak for a class, by the maps of a layer (Grad-CAM).

    \b
    kerasmlsp interpret cam photo.jpg
    kerasmlsp interpret cam photo.jpg --class "tiger beetle" --layer block_11_add
    """
    _explain(sources, "cam", wanted, layer, 0, **values)


def _explain(sources, method, wanted, layer, seed, *, model, class_names, box, output, as_json):
    options.check_sources(sources)
    app, subject = shared.subject(model, class_names, box, output)
    names, values, end = shared.pictures(subject, sources)
    chosen, answers, confidence = shared.asked(subject, values, wanted)
    shown = slice(app.DRAWN)
    maps = app.attributed(subject, values[shown], chosen[shown], method, layer, seed)
    titles = [f"{subject.classes[a]} ({c:.2f})" for a, c in zip(answers, confidence, strict=True)]
    if wanted is not None:
        titles = [f"{subject.classes[c]}? {title}" for c, title in zip(chosen, titles, strict=True)]
    app.draw_maps(subject.pixels(values), maps, titles, output)
    printing.print_results(_told(subject, names, answers, confidence), as_json)
    printing.tell_figure(output)
    end()


@interpret.command()
@shared.PHOTO
@click.option("--layer", required=True, metavar="NAME", help="One of `interpret layers`.")
@_COUNT
@shared.command("maps")
def maps(photo, layer, count, model, class_names, box, output, as_json):
    """Draw the feature maps of a layer for a photograph, the strongest first.

    \b
    kerasmlsp interpret maps photo.jpg --layer stem_relu6
    """
    options.check_sources([photo])
    app, subject = shared.subject(model, class_names, box, output)
    _, values, end = shared.pictures(subject, [photo])
    from kerasmlsp import interpret as library
    from kerasmlsp import plotting

    found = library.feature_maps(subject.model, values[:1], layer)
    if found.ndim != 4:
        raise ValueError(
            f"`layer` must be one with maps. Received: {layer}, which gives numbers of shape {found.shape}"
        )
    found = found[0].transpose(2, 0, 1)
    order = (-found.max(axis=(1, 2))).argsort(kind="stable")[:count]
    pictures = [subject.pixels(values[:1])[0], *plotting.coloured(found[order])]
    app.draw_sheet(pictures, ["the photograph", *(f"map {number}" for number in order)], output)
    facts = {"layer": layer, "maps": len(found), "drawn": len(order), "rows": found.shape[1], "columns": found.shape[2]}
    printing.print_results({**facts, "silent": int((found.max(axis=(1, 2)) <= 0).sum())}, as_json)
    printing.tell_figure(output)
    end()


@interpret.command()
@click.option("--layer", metavar="NAME", help="A convolution; default the first.")
@_COUNT
@shared.command("filters")
def filters(layer, count, model, class_names, box, output, as_json):
    """Draw the filters of a convolution: grey is 0.

    \b
    kerasmlsp interpret filters
    """
    app, subject = shared.subject(model, class_names, box, output)
    from kerasmlsp import interpret as library
    from kerasmlsp import plotting

    found = library.filters(subject.model, layer)
    app.draw_sheet(plotting.stretched_values(found[:count]), [f"filter {n}" for n in range(len(found[:count]))], output)
    size = {"height": found.shape[1], "width": found.shape[2], "channels": found.shape[3]}
    printing.print_results({"filters": len(found), "drawn": len(found[:count]), **size}, as_json)
    printing.tell_figure(output)


@interpret.command()
@click.argument("sources", nargs=-1, metavar="[PHOTO|FOLDER|-]...", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--layer", required=True, metavar="NAME", help="A layer with maps.")
@options.seed_option
@shared.command("receptive")
def receptive(sources, layer, seed, model, class_names, box, output, as_json):
    """Tell how much of a picture one unit of a layer sees, and draw which pixels move the one in the middle.

    Without photographs, noise is shown to the network.

    \b
    kerasmlsp interpret receptive --layer block_5_add
    """
    if sources:
        options.refuse("It is for noise, which is shown without photographs", "seed")
        options.check_sources(sources)
    app, subject = shared.subject(model, class_names, box, output)
    import numpy as np

    from kerasmlsp import interpret as library

    if sources:
        _, values, end = shared.pictures(subject, sources)
    else:
        end = int  # nothing could not be read
        low, high = subject.box
        values = np.random.default_rng(seed).uniform(low, high, (8, *subject.shape)).astype("float32")
    field = library.effective_field(subject.model, values, layer)
    try:
        fields = zip(("rows", "columns"), library.receptive_field(subject.model, layer), strict=True)
        sizes = [{"along": name, "sees": each.size, **dataclasses.asdict(each)} for name, each in fields]
        title = f"{layer}: sees {sizes[0]['sees']} x {sizes[1]['sees']}"
    except ValueError as error:
        sizes, title = str(error), layer
    # By the root the tails are seen, too.
    words = {"what": "what moves the unit in the middle", "most": "what moves it most, by the root"}
    app.draw_maps(subject.pixels(values[:1]), np.sqrt(field)[None], [title], output, **words)
    moved = {
        "rows moved": int(field.max(axis=1).astype(bool).sum()),
        "columns moved": int(field.max(axis=0).astype(bool).sum()),
    }
    printing.print_results({"layer": layer, "by kernels and strides": sizes, **moved}, as_json)
    printing.tell_figure(output)
    end()


@interpret.command()
@shared.SOURCES
@shared.CLASS
@options.seed_option
@shared.command()
def judge(sources, wanted, seed, model, class_names, box, as_json):
    """Measure which method finds what decides: insertion and deletion, beside edges and chance.

    Insertion should be large and deletion small. `same when randomised` is the rank correlation with the maps of the
    same network with shuffled weights: what stays near 1 does not tell what was learned.

    \b
    kerasmlsp interpret judge photos
    """
    options.check_sources(sources)
    app, subject = shared.subject(model, class_names, box)
    _, values, end = shared.pictures(subject, sources)
    chosen, _, _ = shared.asked(subject, values, wanted)
    printing.print_results(app.judged(subject, values, chosen, seed), as_json)
    end()


for command in (fooling.fool, fooling.sensitivity, fooling.maximise, fooling.reconstruct):
    interpret.add_command(command)
