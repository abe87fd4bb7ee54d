"""Saved models behind a server: TensorFlow Serving's REST interface and the Open Inference Protocol.

A front process answers HTTP and never imports TensorFlow; worker processes hold the models. Importing this package
imports neither.

- `kerasmlsp.serving.bodies`: what a body asks for, large ones read in a process of their own.
- `kerasmlsp.serving.parsing`: JSON bodies, read as TensorFlow Serving reads them.
- `kerasmlsp.serving.rest`: TensorFlow Serving's REST interface, requests read and answers written.
- `kerasmlsp.serving.examples`: its classify and regress.
- `kerasmlsp.serving.inference`: bodies of the Open Inference Protocol, version 2.
- `kerasmlsp.serving.streaming`, `completions`: texts that are sent while they are written.
- `kerasmlsp.serving.tensors`: what a signature takes and returns.
- `kerasmlsp.serving.values`: JSON values turned into arrays and back.
- `kerasmlsp.serving.errors`: what a request is refused with.
- `kerasmlsp.serving.client`: `Client`, which asks a server.
- `kerasmlsp.serving.scoring`: jobs over many rows, without a server.
- `kerasmlsp.serving.deploying`: folders for TensorFlow Serving, KServe, Ray Serve and Triton.
- `kerasmlsp.serving.on_ray`: the server as applications of Ray Serve.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerasmlsp.serving.client import Client
    from kerasmlsp.serving.errors import ServingError

__all__ = ["Client", "ServingError"]


def __getattr__(name: str) -> Any:
    """Imports what is asked for, since a worker is not to pay for what a client needs."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from kerasmlsp.serving.client import Client
    from kerasmlsp.serving.errors import ServingError

    return Client if name == "Client" else ServingError
