"""Commands that make pictures: adversarial ones, pruned ones, and what excites a network."""

import click

from kerasmlsp.apps import messages, options, printing
from kerasmlsp.apps.interpret import shared


@click.command(cls=messages.Command)
@shared.SOURCES
@shared.LABELS
@click.option("--error", type=click.Choice(["squared", "crossentropy"]), default="squared", show_default=True,
              help="The error: half the squared difference as in the lecture, or the cross-entropy.")  # fmt: skip
@options.seed_option
@shared.command("sensitivity")
def sensitivity(sources, labels, error, seed, model, class_names, box, output, as_json):
    """Measure which pixels the error depends on, and the accuracy when the others are pruned.

    Where there are at least four pictures, half of them tell which pixels to prune, and the accuracy is that of the
    others.

    \b
    kerasmlsp interpret sensitivity photos --model mine --labels folders
    """
    options.check_sources(sources)
    app, subject = shared.subject(model, class_names, box, output)
    names, values, end = shared.pictures(subject, sources)
    from kerasmlsp import files, plotting
    from kerasmlsp import interpret as library

    true = subject.labels(names, labels, values)
    halves = (slice(None, None, 2), slice(1, None, 2)) if len(values) >= 4 else (slice(None), slice(None))
    found = library.error_sensitivity(subject.model, values[halves[0]], true[halves[0]], error=error)
    curves = library.pruning_curves(subject.model, values[halves[1]], true[halves[1]], found, seed=seed)
    files.write_atomically(
        output, lambda place: plotting.share_curves(curves, place, along="share of the inputs pruned", share="accuracy")
    )
    map_path = output.with_name(f"{output.stem}_map.png")
    words = {"what": "mean size of dJ/dx", "most": "where the error is most sensitive"}
    app.draw_maps(subject.pixels(values[:1]), library.strength(found[None]), ["the first picture"], map_path, **words)
    shares = list(next(iter(curves.values())))
    rows = [{"pruned": share, **{name: curve[share] for name, curve in curves.items()}} for share in shares]
    printing.print_results(rows, as_json)
    printing.tell_figure(output)
    printing.tell_figure(map_path)
    end()


@click.command(cls=messages.Command)
@shared.SOURCES
@click.option(
    "--method", type=click.Choice(["fgsm", "pgd", "deepfool"]), default="fgsm", show_default=True, help="How."
)
@click.option("--epsilon", type=options.FiniteRange(min=0), default=2.0, show_default=True,
              help="Change of a value for fgsm and pgd, of 255.")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), help="Steps of pgd (default 10) or most of deepfool (default 50).")
@click.option("--target", metavar="NAME", help="Class that the network is to answer; default any other.")
@shared.LABELS
@click.option("--rates", type=options.Target(".png"), metavar="OUT.png", help="Draw the success by epsilon there, too.")
@click.option("--table", type=options.Target(".csv"), metavar="OUT.csv", help="Write a row for each picture there.")
@options.seed_option
@shared.command("fool")
def fool(sources, method, epsilon, steps, target, labels, rates, table, seed, model, class_names, box, output, as_json):
    """Change pictures a little so that the network answers wrongly, and draw what was changed.

    Pictures that it answers wrongly beforehand are left out. `deepfool` looks for the smallest change.

    \b
    kerasmlsp interpret fool photo.jpg --method deepfool
    kerasmlsp interpret fool photo.jpg --method pgd --epsilon 4 --target orange
    kerasmlsp interpret fool photos --model mine --labels folders --rates rates.png
    """
    if method == "deepfool":
        options.refuse("DeepFool takes the smallest change to any class", "epsilon", "target")
    if method != "pgd":
        options.refuse("Only PGD starts at random", "seed")
    if method == "fgsm":
        options.refuse("FGSM takes one step", "steps")
    options.check_sources(sources)
    options.check_targets(rates=rates, table=table)
    app, subject = shared.subject(model, class_names, box, output)
    names, values, end = shared.pictures(subject, sources)
    true = subject.labels(names, labels, values)
    wanted = None if target is None else subject.class_number(target, "--target")
    scale = 255 / (subject.box[1] - subject.box[0])
    changes = {} if method == "deepfool" else {"epsilon": epsilon / scale}
    changes |= {"steps": steps} if steps else {}
    changes |= {"seed": seed} if method == "pgd" else {}
    adversarial, found = app.attacked(subject, values, true, method, wanted, **changes)
    rows = _fooled(subject, names, true, found, scale)
    drawn = app.draw_attack(subject, values, adversarial, found, output)
    if table:
        _write_rows(rows, table)
    summary = {
        "pictures": len(rows),
        "left out, wrong beforehand": int((~found.attacked).sum()),
        "fooled": int(found.fooled.sum()),
        "success rate": found.success_rate,
        "mean L2 of those, of 255": scale * found.mean_l2,
    }
    if rates:
        summary["success by epsilon"] = _rates(app, subject, values, true, method, wanted, found, scale, rates, changes)
    printing.print_results(
        {**summary, "each": rows} if as_json or len(rows) <= printing.MOST_ROWS else summary, as_json
    )
    printing.tell_figure(output)
    if drawn < len(rows):
        click.echo(f"It shows {drawn} of {len(rows)} pictures.", err=True)
    if rates:
        printing.tell_figure(rates)
    end()


def _fooled(subject, names, true, found, scale):
    return [
        {
            "file": name,
            "true": subject.classes[true[i]],
            "before": subject.classes[found.before[i]],
            "confidence before": float(found.confidence_before[i]),
            "after": subject.classes[found.after[i]],
            "confidence after": float(found.confidence_after[i]),
            "fooled": bool(found.fooled[i]) if found.attacked[i] else None,
            "L2": float(scale * found.l2[i]),
            "largest": float(scale * found.largest[i]),
        }
        for i, name in enumerate(names)
    ]


def _rates(app, subject, values, true, method, wanted, found, scale, path, changes):
    """Draws the share that is fooled by epsilon, or by the L2 of DeepFool's changes."""
    from kerasmlsp import files, plotting
    from kerasmlsp import interpret as library

    if method == "deepfool":
        norms = sorted(scale * found.l2[found.fooled])
        curve = {float(norm): (place + 1) / found.attacked.sum() for place, norm in enumerate(norms)}
        along = "L2 of the change, of 255"
    else:
        attack = {"fgsm": library.fgsm, "pgd": library.pgd}[method]
        epsilons = [each / scale for each in (0.25, 0.5, 1, 2, 4, 8, 16)]
        changes = {name: value for name, value in changes.items() if name != "epsilon"}
        targets = None if wanted is None else [wanted]
        curve, _ = library.success_rates(
            attack, subject.model, values, true, epsilons=epsilons, targets=targets, box=subject.box, **changes
        )
        curve = {scale * epsilon: share for epsilon, share in curve.items()}
        along = "epsilon, of 255"
    files.write_atomically(
        path,
        lambda place: plotting.share_curves(
            {method: curve}, place, along=along, share="share that is fooled", logarithmic=True
        ),
    )
    return [{along: epsilon, "fooled": float(share)} for epsilon, share in curve.items()]


def _write_rows(rows, path):
    import csv

    from kerasmlsp.files import write_atomically

    def write(place):
        with open(place, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)

    write_atomically(path, write)


@click.command(cls=messages.Command)
@click.option("--class", "wanted", multiple=True, metavar="NAME", help="Class to excite; may be given again.")
@click.option("--layer", metavar="NAME", help="Layer whose maps are excited in place of classes.")
@click.option("--unit", type=click.IntRange(min=0), multiple=True, help="Number of a map; default the first nine.")
@click.option("--steps", type=click.IntRange(min=1), default=200, show_default=True, help="Steps of the ascent.")
@click.option("--jitter", type=click.IntRange(min=0), default=8, show_default=True, help="Most pixels of a move.")
@click.option(
    "--decay",
    type=options.FiniteRange(0, 1, max_open=True),
    default=0.01,
    show_default=True,
    help="Share by which it shrinks to grey in a step.",
)
@click.option(
    "--smoothness",
    type=options.FiniteRange(min=0),
    default=20.0,
    show_default=True,
    help="What differences of neighbours cost.",
)
@options.seed_option
@shared.command("maximise")
def maximise(wanted, layer, unit, steps, jitter, decay, smoothness, seed, model, class_names, box, output, as_json):
    """Draw images that excite classes, or maps of a layer, most.

    \b
    kerasmlsp interpret maximise --class "black swan" --class orange
    kerasmlsp interpret maximise --layer block_5_add --unit 0 --unit 7
    """
    if bool(wanted) == bool(layer):
        raise click.UsageError("Give either `--class` or `--layer`.")
    if wanted:
        options.refuse("It is the number of a map of `--layer`", "unit")
    app, subject = shared.subject(model, class_names, box, output)
    from kerasmlsp import interpret as library

    if wanted:
        units = [subject.class_number(name, "--class") for name in wanted]
        titles = [subject.classes[number] for number in units]
    else:
        count = library.layers(subject.model).get(layer, (9,))[-1] or 9
        units = list(unit or range(min(9, count)))
        titles = [f"{layer} {number}" for number in units]
    changes = {"steps": steps, "jitter": jitter, "decay": decay, "smoothness": smoothness, "seed": seed}
    found = library.maximise(subject.model, units, layer=layer, box=subject.box, **changes)
    rows = [{"excited": title} for title in titles]
    if subject.classes:
        answers, confidence = subject.answers(found)
        titles = [
            f"{t}\nseen as {subject.classes[a]} ({c:.2f})" for t, a, c in zip(titles, answers, confidence, strict=True)
        ]
        more = zip(rows, answers, confidence, strict=True)
        rows = [{**row, "seen as": subject.classes[a], "confidence": float(c)} for row, a, c in more]
    app.draw_sheet(subject.pixels(found), titles, output)
    printing.print_results(rows, as_json)
    printing.tell_figure(output)


@click.command(cls=messages.Command)
@shared.PHOTO
@click.option("--layer", "chosen", required=True, multiple=True, metavar="NAME", help="Layer; may be given again.")
@click.option(
    "--method",
    type=click.Choice(["optimise", "deconvolution", "guided"]),
    default="optimise",
    show_default=True,
    help="From noise by gradient descent, or the strongest activation projected back.",
)
@click.option("--steps", type=click.IntRange(min=1), default=300, show_default=True, help="Steps of the descent.")
@options.seed_option
@shared.command("reconstruct")
def reconstruct(photo, chosen, method, steps, seed, model, class_names, box, output, as_json):
    """Draw what layers still know of a photograph.

    \b
    kerasmlsp interpret reconstruct photo.jpg --layer block_1_project_norm --layer block_5_add --layer head_relu6
    kerasmlsp interpret reconstruct photo.jpg --layer block_5_add --method deconvolution
    """
    if method != "optimise":
        options.refuse("They are of `--method optimise`", "steps", "seed")
    options.check_sources([photo])
    app, subject = shared.subject(model, class_names, box, output)
    _, values, end = shared.pictures(subject, [photo])
    from kerasmlsp import interpret as library
    from kerasmlsp import plotting

    pictures, rows = [subject.pixels(values[:1])[0]], []
    for layer in chosen:
        if method == "optimise":
            made, distance = library.reconstruct(
                subject.model, values[:1], layer, steps=steps, seed=seed, box=subject.box
            )
            pictures.append(subject.pixels(made)[0])
            rows.append({"layer": layer, "relative distance": float(distance[0])})
        else:
            made = library.project(subject.model, values[:1], layer, rule=method)
            pictures.append(plotting.stretched_values(made)[0])
            rows.append({"layer": layer, "pixels that count": float((abs(made) > 0).any(axis=-1).mean())})
    app.draw_sheet(pictures, ["the photograph", *chosen], output, columns=min(len(pictures), 4))
    printing.print_results(rows, as_json)
    printing.tell_figure(output)
    end()
