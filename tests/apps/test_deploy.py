"""The command `kerasmlsp deploy`: what it writes is read by the parsers of those it is for, and never half there."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import command

from kerasmlsp import exporting
from kerasmlsp.serving import configuring

NAMES = ("anomaly", "music", "sentiment")
# Of tritonserver's model_config.proto: what is written here.
TRITON = {
    "ModelTensorReshape": {"shape": (1, "repeated int64")},
    "ModelInput": {
        "name": (1, "string"),
        "data_type": (2, "enum"),
        "dims": (4, "repeated int64"),
        "reshape": (5, "ModelTensorReshape"),
    },
    "ModelOutput": {
        "name": (1, "string"),
        "data_type": (2, "enum"),
        "dims": (3, "repeated int64"),
        "label_filename": (4, "string"),
        "reshape": (5, "ModelTensorReshape"),
    },
    "ModelDynamicBatching": {"max_queue_delay_microseconds": (2, "uint64")},
    "Latest": {"num_versions": (1, "uint32")},
    "ModelVersionPolicy": {"latest": (1, "Latest")},
    "ModelConfig": {
        "name": (1, "string"),
        "backend": (17, "string"),
        "max_batch_size": (4, "int32"),
        "input": (5, "repeated ModelInput"),
        "output": (6, "repeated ModelOutput"),
        "dynamic_batching": (11, "ModelDynamicBatching"),
        "version_policy": (3, "ModelVersionPolicy"),
    },
}
TRITON_TYPES = [
    *("INVALID", "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"),
    *("FP16", "FP32", "FP64", "STRING", "BF16"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def deploy(server, *words, names=NAMES, code=0):
    chosen = [word for name in names for word in ("--model", name)]
    return command("deploy", server, "out", *chosen, *words, code=code)


def models_are_whole(place="out/models", names=NAMES):
    assert sorted(path.name for path in Path(place).iterdir()) == sorted(names)
    for name in names:
        shipped = exporting.find(name)
        for path in shipped.rglob("*"):
            copied = Path(place, name, "1", path.relative_to(shipped))
            assert copied.is_dir() if path.is_dir() else copied.read_bytes() == path.read_bytes()


def read_proto(path, message):
    from google.protobuf import text_format

    return text_format.Parse(Path(path).read_text(), message)


def test_tensorflow_serving_reads_its_folder():
    yaml = pytest.importorskip("yaml", reason="needs PyYAML, which reads the Compose file")
    told = json.loads(deploy("tfserving", "--json").stdout)
    assert told == {"folder": "out", "models": "anomaly/1, music/1, sentiment/1"}
    models_are_whole()
    found = configuring.read_models(Path("out/config/models.config"))
    assert {name: str(each.base_path) for name, each in found.items()} == {name: f"/models/{name}" for name in NAMES}
    limits = {path.parts[2]: configuring.read_limits(path, configuring.Limits()) for path in Path().rglob("*.pbtxt")}
    assert limits.keys() == {"anomaly", "sentiment"}  # music has inputs that are one for all rows
    assert limits["anomaly"].queue == 64 * 32
    assert configuring.read_limits(Path("out/config/batching.config"), configuring.Limits()).threads == 4
    compose = yaml.safe_load(Path("out/compose.yaml").read_text())
    for name, ending in (("serving", ""), ("serving-gpu", "-gpu")):
        service = compose["services"][name]
        assert re.fullmatch(rf"tensorflow/serving:\$\{{TAG:-2\.20\.0\}}{ending}", service["image"])
        mounted = {each.split(":")[1]: each.split(":")[0] for each in service["volumes"]}
        for flag in (each for each in service["command"] if "=/config/" in each):
            assert Path("out", mounted["/config"], flag.split("=/config/")[1]).is_file(), flag
        assert Path("out", mounted["/models"]).is_dir()
    assert compose["services"]["serving-gpu"]["deploy"]["resources"]["reservations"]["devices"][0]["driver"] == "nvidia"
    readme = Path("out/README.md").read_text()
    assert "exported with TensorFlow 2.21" in readme and "No container was started" in readme


def test_tensorflow_serving_s_own_messages_read_its_configuration():
    pytest.importorskip("tensorflow_serving", reason="needs the extra `serving`")
    from tensorflow_serving.config import model_server_config_pb2

    deploy("tfserving")
    config = read_proto("out/config/models.config", model_server_config_pb2.ModelServerConfig())
    assert [each.name for each in config.model_config_list.config] == list(NAMES)


def test_kserve_has_an_image_and_a_resource():
    yaml = pytest.importorskip("yaml", reason="needs PyYAML")
    deploy("kserve", "--image", "example.org/mine:1")
    models_are_whole()
    resource = yaml.safe_load(Path("out/inferenceservice.yaml").read_text())
    assert (resource["apiVersion"], resource["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    (container,) = resource["spec"]["predictor"]["containers"]
    assert container["name"] == "kserve-container" and container["image"] == "example.org/mine:1"
    port = container["ports"][0]["containerPort"]
    assert {container[probe]["httpGet"]["port"] for probe in ("readinessProbe", "livenessProbe")} == {port}
    dockerfile = Path("out/Dockerfile").read_text()
    entry, words = (
        json.loads(re.search(rf"^{key} (.*)$", dockerfile, re.MULTILINE)[1]) for key in ("ENTRYPOINT", "CMD")
    )
    assert entry == ["kerasmlsp"] and words == container["args"]
    # Its options are those of the command.
    assert all(word in command(words[0], "--help").stdout for word in words if word.startswith("--"))
    for source in re.findall(r"^COPY (\S+)", dockerfile, re.MULTILINE):
        assert Path("out", source).is_dir()


def test_ray_reads_its_configuration():
    yaml = pytest.importorskip("yaml", reason="needs PyYAML")
    deploy("ray")
    models_are_whole()
    text = Path("out/serve_config.yaml").read_text()
    # The path of the folder stands there once, with how to change it.
    assert text.count(str(Path("out").resolve())) == 1 and "only place to change" in text
    config = yaml.safe_load(text)
    assert [each["route_prefix"] for each in config["applications"]] == [f"/{name}" for name in NAMES]
    for each in config["applications"]:
        assert each["deployments"][0]["name"] == each["args"]["model"] == each["name"]
        assert Path(each["args"]["models"], each["name"], "1/saved_model.pb").is_file()
        assert each["deployments"][0]["max_queued_requests"] == 256
    schema = pytest.importorskip("ray.serve.schema", reason="needs the extra `ray`")
    read = schema.ServeDeploySchema(**config)
    assert read.applications[0].import_path == "kerasmlsp.serving.on_ray:build"


def triton_messages():
    """A class for Triton's configuration, of its fields that are used."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="triton.proto", package="inference", syntax="proto3")
    types = file.enum_type.add(name="DataType")
    for number, name in enumerate(TRITON_TYPES):
        types.value.add(name=f"TYPE_{name}", number=number)
    kinds = descriptor_pb2.FieldDescriptorProto
    for message, fields in TRITON.items():
        described = file.message_type.add(name=message)
        for name, (number, kind) in fields.items():
            repeated, kind = kind.startswith("repeated "), kind.removeprefix("repeated ")
            field = described.field.add(name=name, number=number)
            field.label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            if kind == "enum":
                field.type, field.type_name = kinds.TYPE_ENUM, ".inference.DataType"
            elif kind in TRITON:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".inference.{kind}"
            else:
                field.type = kinds.Type.Value(f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("inference.ModelConfig"))


def test_triton_gets_nets_that_answer_as_the_saved_model():
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")
    pytest.importorskip("tf2onnx", reason="needs the extra `onnx`")
    shutil.copytree(exporting.find("motion").parent, "mine/motion")
    shutil.copytree(exporting.find("sentiment").parent, "mine/sentiment")
    told = json.loads(deploy("triton", "--models", "mine", "--json", names=()).stdout)
    assert told["models"] == "motion/1" and "is text" in told["left out"]["sentiment"]
    assert sorted(str(path.relative_to("out")) for path in Path("out").rglob("*") if path.is_file()) == [
        "README.md",
        "deployed.json",
        "models/motion/1/model.onnx",
        "models/motion/config.pbtxt",
        "models/motion/labels.txt",
    ]
    session = runtime.InferenceSession("out/models/motion/1/model.onnx", providers=["CPUExecutionProvider"])
    config = read_proto("out/models/motion/config.pbtxt", triton_messages()())
    for tensors, fed in ((config.input, session.get_inputs()), (config.output, session.get_outputs())):
        assert {each.name for each in tensors} == {each.name for each in fed}
        for each in tensors:
            net = next(other for other in fed if other.name == each.name)
            assert list(each.dims if not each.HasField("reshape") else each.reshape.shape) == net.shape[1:]
    windows = np.random.default_rng(0).normal(size=(5, 75, 6)).astype("float32")
    answer = exporting.load("mine/motion/1")(windows=windows)
    names = [each.name for each in session.get_outputs()]
    found = dict(zip(names, session.run(None, {"windows": windows}), strict=True))
    np.testing.assert_allclose(found["probabilities"], answer["probabilities"], atol=1e-5)
    labels = Path("out/models/motion/labels.txt").read_text().split("\n")
    assert labels[found["probabilities"][0].argmax()] == answer["label"][0].decode()
    assert "sentiment: its input text is text" in Path("out/README.md").read_text()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("triton", "--model", "sentiment"), 1, "sentiment cannot be deployed for Triton: its input text is text"),
        (("triton", "--model", "music"), 1, "its input particles is one for all rows"),
        (("tfserving", "--model", "none"), 1, "There is no saved model of 'none'"),
        (("ray", "--model", "../gan"), 1, "`--model` must be of letters, digits and _.-, for URLs. Received: '../gan'"),
        (
            ("tfserving", "--models", "nowhere"),
            1,
            "`--models` must hold saved models, as sentiment/1. Received: nowhere",
        ),
        (("kserve", "--model", "gan", "--image", "Not An Image"), 1, "`--image` must be the name of an image"),
        (("ray", "--model", "gan", "--image", "mine"), 2, "An image is built for kserve: leave `--image` out."),
        (("nomad",), 2, "'nomad' is not one of"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_leaves_nothing(words, code, told):
    result = command("deploy", words[0], "out", *words[1:], code=code)
    assert told in result.stderr and "Traceback" not in result.stderr
    assert not list(Path().iterdir())


def test_a_folder_is_replaced_only_if_it_was_written_here_and_that_is_wanted():
    Path("out").mkdir()
    Path("out/thesis.txt").write_text("mine")
    for words in ((), ("--force",)):
        result = deploy("ray", *words, names=["gan"], code=1)
        assert "`DIR` must be new or empty, or written by `kerasmlsp deploy`" in result.stderr
    assert Path("out/thesis.txt").read_text() == "mine"
    Path("out/thesis.txt").unlink()
    deploy("ray", names=["gan"])
    assert "`DIR` is deployed already, for ray: give another" in deploy("tfserving", names=["gan"], code=1).stderr
    assert Path("out/serve_config.yaml").exists()
    deploy("tfserving", "--force", names=["gan"])
    assert Path("out/compose.yaml").exists() and not Path("out/serve_config.yaml").exists()
    assert [path.name for path in Path().iterdir()] == ["out"]
    Path("file").write_text("mine")
    assert "file is already there" in command("deploy", "ray", "file", "--model", "gan", code=1).stderr


def test_a_folder_within_a_model_is_refused_and_names_are_texts():
    yaml = pytest.importorskip("yaml", reason="needs PyYAML")
    shutil.copytree(exporting.find("lenet_features").parent, "mine/no")
    within = command("deploy", "tfserving", "mine/no/1/out", "--models", "mine", code=1).stderr
    assert (
        within
        == f"Error: The folder to write must not lie in a saved model. Received: a place in {Path('mine/no/1')}\n"
    )
    assert not list(Path("mine/no/1").glob("*out*"))
    command("deploy", "ray", "out", "--models", "mine")
    (application,) = yaml.safe_load(Path("out/serve_config.yaml").read_text())["applications"]
    named = (application["name"], application["args"]["model"], application["deployments"][0]["name"])
    assert named == ("no", "no", "no")


def test_a_disk_that_is_full_leaves_what_was_there(monkeypatch):
    deploy("ray", names=["gan"])
    before = {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}

    def full(*_):
        raise OSError(28, "No space left on device", "out")

    monkeypatch.setattr(shutil, "copytree", full)
    assert "No space left on the device" in deploy("tfserving", "--force", names=["gan"], code=1).stderr
    assert {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()} == before
    assert [path.name for path in Path().iterdir()] == ["out"]
