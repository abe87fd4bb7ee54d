"""Folders from which other servers take saved models: TensorFlow Serving, KServe, Ray Serve and Triton.

Each function copies the models, writes what the server has to know, and a README with the commands and with what of it
was not run. A folder appears when it is whole.
"""

from kerasmlsp.serving.deploying.folders import Model, chosen
from kerasmlsp.serving.deploying.kserve import kserve
from kerasmlsp.serving.deploying.ray import ray
from kerasmlsp.serving.deploying.tfserving import tfserving
from kerasmlsp.serving.deploying.triton import triton

__all__ = ["Model", "chosen", "kserve", "ray", "tfserving", "triton"]
