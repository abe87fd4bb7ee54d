"""The command `kerasmlsp deploy`: folders from which other servers take saved models.

    $ kerasmlsp deploy tfserving deployed --model sentiment
    $ kerasmlsp deploy ray deployed

Nothing heavy is imported here: `--help` passes through this file.
"""

from pathlib import Path

import click

from kerasmlsp.apps import messages, options, printing

SERVERS = ("tfserving", "kserve", "ray", "triton")


@click.command(cls=messages.Command)
@click.argument("server", type=click.Choice(SERVERS))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--model", "names", multiple=True, metavar="NAME", help="Saved model to take; may be given again.")
@click.option(
    "--models",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of saved models; default ./saved_models, or the shipped ones.",
)
@click.option("--image", metavar="NAME", help="Name of the image for kserve, as registry.example.org/mine:1.")
@click.option("--force", is_flag=True, help="Replace a folder that this command has written before.")
@options.json_option
def deploy(server, folder, names, models, image, force, as_json):
    """Write what a server needs of saved models into the folder DIR.

    SERVER is tfserving (TensorFlow Serving with Docker Compose), kserve, ray (Ray Serve), or triton for models whose
    net ONNX can hold.

    \b
    kerasmlsp deploy tfserving deployed
    kerasmlsp deploy ray deployed --model sentiment --model speech
    """
    if server != "kserve":
        options.refuse("An image is built for kserve", "image")
    from kerasmlsp.serving.deploying import folders

    found = folders.chosen(names, models)
    if server == "triton":
        with messages.quiet_imports():
            from kerasmlsp.serving.deploying.triton import triton

            summary = triton(folder, found, named=bool(names), force=force)
    elif server == "kserve":
        from kerasmlsp.serving.deploying.kserve import kserve

        summary = kserve(folder, found, image=image, force=force)
    elif server == "ray":
        from kerasmlsp.serving.deploying.ray import ray

        summary = ray(folder, found, force=force)
    else:
        from kerasmlsp.serving.deploying.tfserving import tfserving

        summary = tfserving(folder, found, force=force)
    printing.print_results(summary, as_json)
    click.echo(f"How to start it is in {folder / 'README.md'}.", err=True)
