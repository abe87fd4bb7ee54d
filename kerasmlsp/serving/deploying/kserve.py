"""For KServe: an image of our own, since the TensorFlow runtime that KServe brings is years old, and its resource."""

import re
from collections.abc import Sequence
from pathlib import Path

import kerasmlsp
from kerasmlsp.serving.deploying import folders
from kerasmlsp.serving.deploying.folders import Model

_PORT = 8080

_DOCKERFILE = """\
# The wheels are those of `python -m build`, see README.md. For a GPU:
# docker build --build-arg ALSO="tensorflow[and-cuda]>=2.21,<2.22" ...
FROM python:3.11-slim
ARG ALSO=""
COPY wheels/ /tmp/wheels/
RUN pip install --no-cache-dir /tmp/wheels/*.whl $ALSO && rm -r /tmp/wheels
RUN useradd --create-home --uid 1000 kerasmlsp
COPY models/ /models/
USER 1000
WORKDIR /home/kerasmlsp
EXPOSE {port}
ENTRYPOINT ["kerasmlsp"]
CMD ["serve", "--models", "/models", "--host", "0.0.0.0", "--port", "{port}"]
"""
_SERVICE = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: kerasmlsp
spec:
  predictor:
    minReplicas: 1
    maxReplicas: 4
    scaleMetric: concurrency
    scaleTarget: 32
    timeout: 60
    containers:
      - name: kserve-container
        image: {image}
        args: [serve, --models, /models, --host, 0.0.0.0, --port, "{port}"]
        ports:
          - containerPort: {port}
            protocol: TCP
        readinessProbe:
          httpGet:
            path: /readyz
            port: {port}
          periodSeconds: 5
        livenessProbe:
          httpGet:
            path: /healthz
            port: {port}
          periodSeconds: 10
        resources:
          requests:
            cpu: "2"
            memory: 2Gi
          limits:
            cpu: "2"
            memory: 6Gi
        securityContext:
          runAsNonRoot: true
          runAsUser: 1000
          allowPrivilegeEscalation: false
          capabilities:
            drop: [ALL]
"""
_README = """\
# {models} on KServe

From this folder, with CLONE the clone of kerasmlsp and `{image}` an image that your cluster can pull (choose it by
`kerasmlsp deploy kserve --image`):

    python -m build --wheel --outdir wheels CLONE
    docker build -t {image} .
    docker push {image}
    kubectl apply -f inferenceservice.yaml

One container serves all models by TensorFlow Serving's REST interface and the Open Inference Protocol:

    {example}
    curl http://HOST/v2/models/{first}

- `models/`: the saved models; a new version is a new image.
- `Dockerfile`: the server of kerasmlsp, `kerasmlsp serve`, as a user without rights.
- `inferenceservice.yaml`: the resource. A pod gets requests once `/readyz` says that every model is loaded. It is
  scaled by requests under way, 32 a pod. For a GPU, build with `ALSO` as the Dockerfile says, and add
  `nvidia.com/gpu: "1"` to `resources.limits`.

## What was not run

Neither Docker nor Kubernetes was there when this folder was written: no image was built and nothing was applied. The
fields of the YAML were checked once by those of KServe's Python package 0.21. The command that the container runs is
the server that the tests of kerasmlsp run.
"""


def kserve(path: Path, models: Sequence[Model], *, image: str | None = None, force: bool = False) -> dict:
    """Writes a folder for KServe.

    Args:
        path: The folder to make.
        models: What to serve, of `chosen`.
        image: Name of the image to build; None for `kerasmlsp-serving:VERSION`.
        force: Whether a folder that was written here before is replaced.

    Returns:
        `folder`, `models` in words, and `image`.

    Raises:
        ValueError: `path` holds files that are not to be replaced, or `image` is no name of an image.
        OSError: It cannot be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "deployed")
        >>> kserve(path, folders.chosen(["lenet_features"], None), image="example.org/lenet:1")["image"]
        'example.org/lenet:1'
    """
    image = f"kerasmlsp-serving:{kerasmlsp.__version__}" if image is None else image
    if not re.fullmatch(r"[a-z0-9][a-z0-9._/:-]*(:[\w][\w.-]*)?(@sha256:[0-9a-f]{64})?", image):
        raise ValueError(f"`image` must be the name of an image, as registry.example.org/mine:1. Received: {image!r}")
    with folders.written(path, "kserve", models, force=force) as folder:
        folders.copy(models, folder / "models")
        (folder / "wheels").mkdir()
        (folder / "Dockerfile").write_text(_DOCKERFILE.format(port=_PORT))
        (folder / "inferenceservice.yaml").write_text(_SERVICE.format(image=image, port=_PORT))
        readme = _README.format(
            models=folders.listed(models),
            image=image,
            example=folders.example(models[0], "http://HOST"),
            first=models[0].name,
        )
        (folder / "README.md").write_text(readme, encoding="utf-8")
    return {"folder": str(path), "models": folders.listed(models), "image": image}
