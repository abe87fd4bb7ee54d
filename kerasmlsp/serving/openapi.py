"""What the server offers, as an OpenAPI 3.1 document made by hand and as a page made of it."""

import html
import json
import math
import shlex
import urllib.parse
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import kerasmlsp
from kerasmlsp.serving import completions, streaming
from kerasmlsp.serving.inference import DATATYPES
from kerasmlsp.serving.tensors import Signature

if TYPE_CHECKING:
    from kerasmlsp.serving.engine import Servable

_RANGES = {f"DT_{sign}INT{bits}": (sign, bits) for sign in ("", "U") for bits in (8, 16, 32, 64)}
_ERROR = {"$ref": "#/components/schemas/Error"}
_LONGEST_EXAMPLE = 150
"""Values in the example of a request."""
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h2 { margin-top: 2rem; }
summary { cursor: pointer; padding: .3rem 0; }
code, pre { font-family: ui-monospace, monospace; }
pre { overflow-x: auto; padding: .7rem; border: 1px solid #8886; border-radius: .3rem; }
b { display: inline-block; min-width: 3.5rem; }
"""


def document(servables: "Iterable[Servable]", *, token: bool = False) -> dict[str, Any]:
    """Returns the OpenAPI document of the server.

    Args:
        servables: The models that are served, each in the version that answers by default.
        token: Whether a bearer token is wanted.

    Example:
        >>> sorted(document([])["paths"])[:3]
        ['/cards/{model}', '/healthz', '/monitoring/prometheus/metrics']
    """
    servables = list(servables)
    names = [each.name for each in servables]
    paths = {**_health(), **_reading(names)}
    for each in servables:
        paths |= _of_model(each)
    if streamed := [each.name for each in servables if streaming.is_offered(each.signatures)]:
        paths["/v1/completions"] = {"post": _completions(streamed)}
    schemes = {"token": {"type": "http", "scheme": "bearer"}} if token else {}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "kerasmlsp serve",
            "version": kerasmlsp.__version__,
            "description": "TensorFlow Serving's REST interface and the Open Inference Protocol, version 2.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Error": _object({"error": {"type": "string"}}, required=["error"])},
            **({"securitySchemes": schemes} if schemes else {}),
        },
        **({"security": [{"token": []}]} if token else {}),
    }


def _operation(summary, tag, answer, *, body=None, sample=None, parameters=(), kind="application/json", errors=()):
    operation: dict[str, Any] = {
        "summary": summary,
        "tags": [tag],
        "responses": {"200": {"description": "The answer", "content": {kind: {"schema": answer} if answer else {}}}},
    }
    for status in errors:
        operation["responses"][status] = {
            "description": "What was wrong",
            "content": {"application/json": {"schema": _ERROR}},
        }
    if body is not None:
        content = {"schema": body} if sample is None else {"schema": body, "example": sample}
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    if parameters:
        operation["parameters"] = list(parameters)
    return operation


def _object(properties, required=(), others=True):
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return schema if others else {**schema, "additionalProperties": False}


def _health():
    anything = {"type": "object"}
    unready = {"503": {"description": "Not ready", "content": {"application/json": {"schema": anything}}}}

    def ready(summary, tag, path=()):
        operation = _operation(summary, tag, anything, parameters=path)
        return {"get": {**operation, "responses": {**operation["responses"], **unready}, "security": []}}

    live = {**_operation("Whether the server turns", "health", anything), "security": []}
    text = _operation("Counters, gauges and histograms", "health", {"type": "string"}, kind="text/plain")
    return {
        "/healthz": {"get": live},
        "/readyz": ready("Whether every model is ready", "health"),
        "/v2/health/live": {"get": {**live, "tags": ["v2"]}},
        "/v2/health/ready": ready("Whether every model is ready", "v2"),
        "/v2": {"get": _operation("Name and version of the server", "v2", anything)},
        "/monitoring/prometheus/metrics": {"get": text},
    }


def _reading(names):
    """What is read of any model."""
    model = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}
    if names:
        model["schema"] = {"type": "string", "enum": names}
    anything, wrong = {"type": "object"}, ("400", "404")

    def get(summary, tag):
        return {"get": _operation(summary, tag, anything, parameters=[model], errors=wrong)}

    models = _object({"models": {"type": "array", "items": {"type": "string"}}}, ["models"])
    return {
        "/v1/models": {"get": _operation("Names of the models", "v1", models)},
        "/v1/models/{model}": get("Versions of a model and their states", "v1"),
        "/v1/models/{model}/metadata": get("Signatures of a model", "v1"),
        "/v2/models/{model}": get("Inputs and outputs of a model", "v2"),
        "/cards/{model}": get("Model card", "models"),
    }


def _of_model(servable):
    """What each model is called with."""
    signatures = {name: each for name, each in servable.signatures.items() if each.inputs}
    bodies = [_v1_body(name, each) for name, each in signatures.items()]
    rows = {"type": "array", "minItems": 0}
    answer = {"oneOf": [_object({"outputs": {}}, ["outputs"]), _object({"predictions": rows}, ["predictions"])]}
    errors = ("400", "404", "413", "415", "503", "504")
    default = signatures.get("serving_default") or next(iter(signatures.values()), None)
    title, path = servable.card.get("title") or servable.name, urllib.parse.quote(servable.name, safe="")
    paths = {
        f"/v1/models/{path}:predict": {
            "post": _operation(
                *(f"{title}: predict", "v1", answer),
                body={"anyOf": bodies} if bodies else {"type": "object"},
                sample=example(default) if default else None,
                errors=errors,
            )
        },
        f"/v2/models/{path}/infer": {
            "post": _operation(*(f"{title}: infer", "v2", {"type": "object"}), body=_v2_body(signatures), errors=errors)
        },
    }
    if streaming.is_offered(servable.signatures):
        prompt = servable.signatures["start"].inputs
        fields = {
            name: _leaf(info) if name in prompt else _optional(_leaf(info))
            for name, info in streaming.options(servable.signatures).items()
        }
        body = _object(fields, prompt, others=False)
        stream = _operation(f"{title}: stream", "streams", None, body=body, kind="text/event-stream", errors=errors)
        paths[f"/streams/{path}"] = {"post": stream}
    return paths


def _v1_body(name, signature):
    given = [each for each in signature.inputs if each not in signature.defaults]
    columns = _object({each: _schema(info) for each, info in signature.inputs.items()}, given)
    rows = _object({each: _schema(info, rows=True) for each, info in signature.inputs.items()}, given, others=False)
    if len(signature.inputs) == 1:  # then its name may be left out
        (info,) = signature.inputs.values()
        columns, rows = {"anyOf": [columns, _schema(info)]}, {"anyOf": [rows, _schema(info, rows=True)]}
    chosen = {"signature_name": {"const": name}}
    required = [] if name == "serving_default" else ["signature_name"]
    column = _object({**chosen, "inputs": columns}, [*required, "inputs"])
    if not all(info.shape for info in signature.inputs.values()):
        return {**column, "title": name}
    instances = {"type": "array", "items": rows, "minItems": 1}
    return {
        "title": name,
        "oneOf": [column, _object({**chosen, "instances": instances}, [*required, "instances"])],
    }


def _v2_body(signatures):
    found = {_datatype(info) for each in signatures.values() for info in each.inputs.values()}
    tensor = {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "datatype": {"type": "string", "enum": sorted(found)},
        "data": {"type": "array"},
    }
    parameters = _object({"signature_name": {"type": "string", "enum": list(signatures)}})
    fields = {
        "id": {"type": "string"},
        "parameters": parameters,
        "inputs": {"type": "array", "items": _object(tensor, tensor)},
        "outputs": {"type": "array", "items": _object({"name": {"type": "string"}}, ["name"])},
    }
    return _object(fields, ["inputs"])


def _datatype(info):
    return DATATYPES.get(info.dtype, info.dtype.removeprefix("DT_"))


def _completions(names):
    stop = {"type": "string", "minLength": 1, "maxLength": completions.LONGEST_STOP}
    fields = {
        "model": {"type": "string", "enum": names},
        "prompt": {"type": "string"},
        "max_tokens": _optional({"type": "integer", "minimum": 0, "maximum": 100_000}),
        "temperature": _optional({"type": "number"}),
        "top_p": _optional({"type": "number"}),
        "seed": _optional({"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}),
        "n": _optional({"type": "integer", "minimum": 1, "maximum": completions.CHOICES}),
        "stop": {"anyOf": [stop, {"type": "array", "items": stop, "maxItems": completions.STOPS}, {"type": "null"}]},
        "echo": _optional({"type": "boolean"}),
        "stream": _optional({"type": "boolean"}),
    }
    anything = {"type": "object"}
    operation = _operation(
        *("OpenAI's completions, a character a token", "streams", anything), body=_object(fields, ["model"])
    )
    wrong = {"description": "What was wrong", "content": {"application/json": {"schema": anything}}}
    operation["responses"] |= dict.fromkeys(("400", "404", "413", "415", "503", "504"), wrong)
    operation["responses"]["200"]["content"]["text/event-stream"] = {}
    return operation


def _optional(schema):
    return {"anyOf": [schema, {"type": "null"}]}


def _leaf(info):
    if info.dtype == "DT_STRING":
        encoded = _object({"b64": {"type": "string", "contentEncoding": "base64"}}, ["b64"], others=False)
        return {"anyOf": [{"type": "string"}, encoded]}
    if info.dtype in _RANGES:
        sign, bits = _RANGES[info.dtype]
        least, most = (0, 2**bits - 1) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return {"type": "integer", "minimum": least, "maximum": most}
    return {"type": "boolean" if info.dtype == "DT_BOOL" else "number"}


def _schema(info, rows=False):
    """The JSON Schema of an input; of one row of it with `rows`."""
    schema = _leaf(info)
    for size in reversed((info.shape or ())[rows:]):
        sizes = {} if size < 0 else {"minItems": size, "maxItems": size}
        schema = {"type": "array", "items": schema, **sizes}
    return schema


def example(signature: Signature, text: str = "text") -> dict[str, Any] | None:
    """Returns the body of a request that the model answers; None where it would be long.

    Args:
        signature: What is asked.
        text: What is given for each string.

    Example:
        >>> from kerasmlsp.serving.tensors import TensorInfo
        >>> example(Signature({"text": TensorInfo("text:0", "DT_STRING", (-1,))}, {}), "A fine film.")
        {'inputs': {'text': ['A fine film.']}}
    """
    infos, defaults = signature.inputs, signature.defaults
    if sum(math.prod(map(abs, info.shape or ())) for info in infos.values()) > _LONGEST_EXAMPLE:
        return None
    shown = {name: info for name, info in infos.items() if name not in defaults} or infos
    return {"inputs": {name: _sample(info, defaults.get(name), text) for name, info in shown.items()}}


def _sample(info, default, text):
    if default is not None:
        return [default] if info.shape else default
    sample: Any = {"DT_STRING": text, "DT_BOOL": True, "DT_FLOAT": 0.5, "DT_DOUBLE": 0.5}.get(info.dtype, 1)
    for size in reversed(info.shape or ()):
        sample = [sample] * abs(size)
    return sample


def _signature_text(signature):
    """A signature in one line."""

    def told(infos):
        shapes = {
            name: "..." if each.shape is None else ", ".join("?" if n < 0 else str(n) for n in each.shape)
            for name, each in infos.items()
        }
        return ", ".join(f"{name}: {_datatype(infos[name])}[{shape}]" for name, shape in shapes.items())

    return f"{told(signature.inputs)} -> {told(signature.outputs)}".strip()


def page(
    description: dict[str, Any], servables: "Iterable[Servable]", url: str = "http://localhost:8501"
) -> tuple[str, str]:
    """Returns the page at `/docs`, which needs no script, and the style in it that a content policy has to allow.

    Args:
        description: As from `document`.
        servables: As of `document`.
        url: Where examples of requests go.

    Example:
        >>> text, style = page(document([]), [])
        >>> style in text, "script" in text
        (True, False)
    """
    escape = html.escape
    parts = []
    for each in servables:
        lines = [
            f"<li><code>{escape(name)}</code>: <code>{escape(_signature_text(signature))}</code></li>"
            for name, signature in each.signatures.items()
            if signature.inputs
        ]
        about = escape(str(each.card.get("description", "")))
        parts.append(f"<h3>{escape(each.name)}</h3><p>{about}</p><ul>{''.join(lines)}</ul>")
    tags: dict[str, list[str]] = {}
    token = ' -H "Authorization: Bearer $KERASMLSP_TOKEN"' if "security" in description else ""
    for path, item in description["paths"].items():
        for verb, operation in item.items():
            tags.setdefault(operation["tags"][0], []).append(_entry(verb, path, operation, url, token))
    interface = "".join(f"<h3>{escape(tag)}</h3>{''.join(entries)}" for tag, entries in tags.items())
    text = (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>kerasmlsp serve</title><style>{_STYLE}</style>"
        f"<h1>kerasmlsp serve</h1><p>{escape(description['info']['description'])} "
        "<a href='/openapi.json'>OpenAPI document</a></p>"
        f"<h2>Models</h2>{''.join(parts) or '<p>None is ready.</p>'}<h2>Interface</h2>{interface}</html>"
    )
    return text, _STYLE


def _entry(verb, path, operation, url, token):
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    told = ""
    if body and "example" in body:
        command = f"curl{token} -d {shlex.quote(json.dumps(body['example']))} {url}{path}"
        told += f"<pre>{html.escape(command)}</pre>"
    if body:
        told += f"<pre>{html.escape(json.dumps(body['schema'], indent=1))}</pre>"
    summary = f"<b>{verb.upper()}</b> <code>{html.escape(path)}</code> {html.escape(operation['summary'])}"
    return f"<details><summary>{summary}</summary>{told}</details>" if told else f"<div>{summary}</div>"
