"""Which operations of the shipped models a GPU cannot do, by TensorFlow's own registry of kernels.

The packages of TensorFlow for Linux list the kernels for GPUs whether or not there is one. What stays on the CPU is
told in docs/how-to/score-and-deploy.md.
"""

import functools
import re
from importlib import resources
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import kernels, op_def_registry

from kerasmlsp.exporting import loading

PAGE = Path(__file__).parents[2] / "docs/how-to/score-and-deploy.md"
SHIPPED = Path(str(resources.files("kerasmlsp.saved_models")))
MODELS = sorted(path.name for path in SHIPPED.iterdir() if loading.versions(path))
# Once when a model is loaded, and never while it is asked.
SAVING = re.compile(r"_traced_(save|restore)_")


@functools.cache
def registered(operation):
    found = kernels.get_registered_kernels_for_op(operation).kernel
    return [each for each in found if each.device_type in ("GPU", "DEFAULT")], list(found)


def types(node, attribute):
    """Types of a node; one that is not written is the default of the operation."""
    value = node.attr[attribute] if attribute in node.attr else defaults(node.op)[attribute]
    numbers = value.list.type if value.WhichOneof("value") == "list" else [value.type]
    return set(map(type_name, numbers))


@functools.cache
def defaults(operation):
    return {each.name: each.default_value for each in op_def_registry.get(operation).attr}


def type_name(number):
    return types_pb2.DataType.Name(number).removeprefix("DT_").lower()


def refused(node, kernel):
    """The types of a node that a kernel does not take."""
    found = set()
    for constraint in (each for each in kernel.constraint if each.allowed_values.list.type):
        allowed = set(map(type_name, constraint.allowed_values.list.type))
        found |= types(node, constraint.name) - allowed
    return found


def on_the_host(name):
    """Operations of a model without a kernel for GPUs, each with the types for which it has none."""
    saved = saved_model_pb2.SavedModel.FromString((SHIPPED / name / "1/saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    functions = {each.signature.name: each for each in graph.library.function}
    found, seen = set(), set()
    nodes = [node for each in functions.values() if not SAVING.search(each.signature.name) for node in each.node_def]
    for node in nodes:
        if node.op in functions:
            continue
        gpu, every = registered(node.op)
        assert every, f"{node.op} has no kernel at all"
        seen.add(node.op)
        if not gpu:
            found.add(node.op)
        elif least := min((refused(node, kernel) for kernel in gpu), key=len):
            found.add(f"{node.op} of {' and '.join(sorted(least))}")
    return found, seen


def told():
    """What the page says, by model."""
    section = PAGE.read_text().split("## What stays on the CPU")[1].split("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in section.splitlines() if line.startswith("| ") and "`" in line]
    found = {name: set() for name in MODELS}
    for _, models, operations in rows:
        for name in MODELS if models.strip() == "all" else re.findall(r"\w+", models):
            found[name] |= set(re.findall(r"`([\w ]+)`", operations))
    return found


@pytest.mark.skipif(not tf.test.is_built_with_cuda(), reason="this TensorFlow has no kernels for GPUs to look up")
@pytest.mark.parametrize("name", MODELS)
def test_what_stays_on_the_cpu_is_what_the_page_says(name):
    assert registered("MatMul")[0] and not registered("StringLower")[0]
    found, seen = on_the_host(name)
    assert found == told()[name]
    assert {"MatMul", "Conv2D", "Einsum", "BatchMatMulV2"} & seen - found, "the net itself is on the GPU"
