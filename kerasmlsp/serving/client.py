"""A client for saved models behind `kerasmlsp serve`, TensorFlow Serving or Ray Serve: arrays in, arrays out.

It speaks TensorFlow Serving's REST interface, and always its column format: that takes scalars beside rows, and an
answer names each output once instead of once a row. `kerasmlsp.serving` offers `Client` itself.
"""

import base64
import contextlib
import json
import os
import ssl
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import orjson

from kerasmlsp.serving.errors import STATUS, ServingError
from kerasmlsp.serving.tensors import NUMPY, Signature, TensorInfo

if TYPE_CHECKING:
    import httpx

# The first code that stands for a status.
_CODES = {status: code for code, status in reversed(STATUS.items())}
_LONGEST_WAIT = 60.0
"""Seconds between tries at most, whatever the server asks for."""


class Client:
    """Asks a server of saved models.

    Args:
        url: Where the server is, such as `"http://127.0.0.1:8501"`; a path in it stands before those of the interface.
        token: The token that the server wants, if any, sent as `Authorization: Bearer`.
        timeout: Seconds without any byte from the server after which a request is given up.
        retries: How often a request is sent again that the server refuses with 503 and `Retry-After`, as while its
            queue is full.
        verify: False to take any certificate of the server, or a context that knows which to take.

    Raises:
        ServingError: In every method, where the server answers with an error, whose sentence it has, or does not
            answer (`UNAVAILABLE`) or not in time (`DEADLINE_EXCEEDED`).

    Example:
        >>> client = Client("http://127.0.0.1:8501")
        >>> # Not tested here, since it needs the server: kerasmlsp serve
        >>> client.predict("sentiment", text=["Two hours I will not get back."])["label"]  # doctest: +SKIP
        array(['neg'], dtype=object)
        >>> client.close()
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8501",
        *,
        token: str | None = None,
        timeout: float = 60.0,
        retries: int = 3,
        verify: bool | ssl.SSLContext = True,
    ):
        import httpx

        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.url = url.rstrip("/")
        self.retries = retries
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout, verify=verify)
        self._known: dict[tuple[str, int | None], dict[str, Signature]] = {}

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def models(self) -> list[str]:
        """Returns the names of the models that are served; TensorFlow Serving has no such list."""
        return self._get("/v1/models")["models"]

    def card(self, name: str) -> dict:
        """Returns the card of a model: what it was made of, how well it does, and what its inputs take."""
        return self._get(f"/cards/{quote(name, safe='')}")

    def metadata(self, name: str, version: int | None = None) -> dict[str, Signature]:
        """Returns what each endpoint of a model takes and returns, by the endpoint's name."""
        answer = self._get(f"{_path(name, version)}/metadata")
        return {
            endpoint: _signature(each)
            for endpoint, each in answer["metadata"]["signature_def"]["signature_def"].items()
            if not endpoint.startswith("__")  # what TensorFlow runs once when it loads the model
        }

    def ready(self, name: str | None = None) -> bool:
        """Whether a version of a model can be asked; without a name, whether one of every model can.

        A server that is not reached is not ready.
        """
        try:
            if name is None:
                self._send("GET", "/readyz", retries=0)
                return True
            states = self._get(_path(name))["model_version_status"]
        except ServingError as error:
            if error.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
                return False
            raise
        return any(each["state"] == "AVAILABLE" for each in states)

    def predict(
        self, name: str, /, *, endpoint: str = "serving_default", version: int | None = None, **inputs: Any
    ) -> dict[str, np.ndarray]:
        """Calls an endpoint of a model with a batch.

        Args:
            name: Name of the model.
            endpoint: Name of the endpoint.
            version: Version of the model; None for the newest.
            **inputs: A list, array or pandas column of rows for each input. Texts are `str`; a `Path` stands for the
                bytes of its file.

        Returns:
            Name of each output to an array with a row for each row of the inputs. Texts are `str`, in arrays of
            objects; outputs whose name ends in `_bytes` are `bytes`.

        Raises:
            ValueError: The endpoint or an input is not there, or values are not of the type that it takes.
        """
        for again in (False, True):
            signature = self._endpoint(name, endpoint, version, anew=again)
            values = _values(signature, endpoint, inputs)
            if _is_empty(signature, values):  # in JSON it has no shape, for which servers refuse it
                return {key: _array([], info) for key, info in signature.outputs.items()}
            try:
                answer = self._send("POST", f"{_path(name, version)}:predict", content=_body(endpoint, values))
                return _outputs(_json(answer.content)["outputs"], signature)
            except (ServingError, _OtherOutputs) as error:
                # A version with other inputs and outputs may have come since the last call.
                refused = isinstance(error, ServingError) and error.status != 400
                if again or refused or self._endpoint(name, endpoint, version, anew=True) == signature:
                    raise
        raise AssertionError("The second try returns or raises.")

    def stream(self, name: str, /, prompt: str = "", **options: Any) -> Iterator[str]:
        """Yields the text that a model writes, piece by piece, as it is written.

        A loop that is left early, once the iterator is closed or forgotten, ends the writing on the server.

        Args:
            name: Name of the model, such as `"chargen"`.
            prompt: What the text goes on from.
            **options: `length`, `temperature`, `top_k`, `top_p` and `seed`, see the model's card.
        """
        request = {"prompt": prompt, **options}
        with (
            self._errors(),
            self._http.stream("POST", f"/streams/{quote(name, safe='')}", json=request) as response,
        ):
            if response.is_error:
                response.read()
                raise _refusal(response)
            for event in _events(response.iter_lines()):
                if event == "[DONE]":
                    return
                message = _json(event)
                if "error" in message:
                    raise ServingError("UNKNOWN", str(message["error"]))
                yield message["text"]
        raise ServingError("UNAVAILABLE", f"{self.url} ended the stream before it was done.")

    def _endpoint(self, name, endpoint, version, *, anew):
        if anew or (name, version) not in self._known:
            self._known[name, version] = self.metadata(name, version)
        known = self._known[name, version]
        if endpoint not in known:
            raise ValueError(f"`endpoint` must be one of {sorted(known)}. Received: {endpoint!r}")
        return known[endpoint]

    def _get(self, path):
        return _json(self._send("GET", path).content)

    def _send(self, method, path, *, retries=None, **request) -> "httpx.Response":
        tries = self.retries if retries is None else retries
        while True:
            with self._errors():
                response = self._http.request(method, path, **request)
            if not response.is_error:
                return response
            error = _refusal(response)
            if error.status != 503 or error.retry_after is None or tries <= 0:
                raise error
            time.sleep(min(error.retry_after, _LONGEST_WAIT))
            tries -= 1

    @contextlib.contextmanager
    def _errors(self):
        import httpx

        try:
            yield
        except httpx.TimeoutException as error:
            raise ServingError("DEADLINE_EXCEEDED", f"{self.url} did not answer in time.") from error
        except httpx.HTTPError as error:
            told = str(error) or type(error).__name__
            raise ServingError("UNAVAILABLE", f"{self.url} cannot be reached: {told}.") from error


class _OtherOutputs(ValueError):
    """An answer has other outputs than the signature says."""


def _path(name, version=None):
    return f"/v1/models/{quote(name, safe='')}" + ("" if version is None else f"/versions/{int(version)}")


def _json(content):
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(content)  # which knows NaN and Infinity
    except ValueError as error:
        raise ServingError("UNKNOWN", f"The server's answer is no JSON ({error}).") from error


def _refusal(response):
    try:
        told = response.json()["error"]
        message = told["message"] if isinstance(told, dict) else str(told)
    except (ValueError, KeyError, TypeError):
        message = f"{response.status_code} {response.reason_phrase}".strip()
    wait = response.headers.get("retry-after")
    seconds = None if wait is None else int(wait) if wait.isdecimal() else 1  # else it is a date
    code = _CODES.get(response.status_code, "UNKNOWN" if response.status_code >= 500 else "INVALID_ARGUMENT")
    return ServingError(code, message, status=response.status_code, retry_after=seconds)


def _events(lines: Iterable[str]) -> Iterator[str]:
    """The data of server-sent events."""
    data: list[str] = []
    for line in lines:
        if line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif not line and data:
            yield "\n".join(data)
            data = []


def _signature(described):
    def info(each):
        shape = each["tensor_shape"]
        sizes = None if shape.get("unknown_rank") else tuple(int(axis["size"]) for axis in shape.get("dim", ()))
        return TensorInfo(each.get("name", ""), each["dtype"], sizes)

    inputs, outputs = (
        {name: info(each) for name, each in described.get(key, {}).items()} for key in ("inputs", "outputs")
    )
    return Signature(inputs, outputs, described.get("method_name", ""))


def _values(signature, endpoint, inputs):
    if unknown := inputs.keys() - signature.inputs.keys():
        raise ValueError(
            f"Endpoint `{endpoint}` takes the inputs {sorted(signature.inputs)}. Received: {sorted(unknown)}"
        )
    return {name: _value(name, each, signature.inputs[name].dtype) for name, each in inputs.items()}


def _is_empty(signature, values):
    """Whether rows were given, and none of them: each output has none then."""
    rows = [each for name, each in values.items() if signature.inputs[name].shape]
    nothing = rows and all(isinstance(each, list | np.ndarray) and not len(each) for each in rows)
    return nothing and all(info.shape for info in signature.outputs.values())


def _body(endpoint, values):
    request = {"signature_name": endpoint, "inputs": values}
    if all(each.dtype.kind != "f" or np.isfinite(each).all() for each in values.values() if hasattr(each, "dtype")):
        return orjson.dumps(request, option=orjson.OPT_SERIALIZE_NUMPY)
    # NaN and Infinity, which orjson writes as null.
    return json.dumps(request, default=lambda array: array.tolist()).encode()


def _value(name, values, dtype):
    """What JSON has for an input: an array of numbers, or nested lists of texts."""
    if dtype == "DT_STRING":
        return _texts(name, values)
    wanted = NUMPY[dtype]
    array = np.asarray(values)
    if array.dtype.kind == "f" and wanted.kind in "iu" and not hasattr(values, "dtype"):
        # NumPy takes the largest whole numbers of a list for floats.
        exact = np.asarray(values, object)
        array = exact.astype(wanted) if all(isinstance(each, int) for each in exact.flat) else array
    if array.dtype.kind not in ("b" if wanted.kind == "b" else "biuf"):
        raise ValueError(f"`{name}` must be {wanted} in every row, of one shape. Received: {array.dtype}")
    with np.errstate(over="ignore", invalid="ignore"):
        converted = np.ascontiguousarray(array, wanted).reshape(array.shape)
    if wanted.kind in "iu" and not np.array_equal(converted, array):
        raise ValueError(f"`{name}` must be whole numbers of {wanted}. Received: {array.min()} to {array.max()}")
    return converted if array.ndim else converted[()]


def _texts(name, values):
    if isinstance(values, str):
        return values
    if isinstance(values, os.PathLike):
        values = Path(values).read_bytes()
    if isinstance(values, bytes):
        return {"b64": base64.b64encode(values).decode()}
    if isinstance(values, Iterable):
        return [_texts(name, each) for each in values]
    raise ValueError(f"`{name}` must be text, bytes or a path in every row. Received: {values!r}")


def _outputs(answer, signature):
    if len(signature.outputs) == 1:
        answer = {next(iter(signature.outputs)): answer}
    if not isinstance(answer, dict) or answer.keys() != signature.outputs.keys():
        raise _OtherOutputs(f"The answer must have the outputs {sorted(signature.outputs)}. Received: {answer!r:.99}")
    return {name: _array(answer[name], info) for name, info in signature.outputs.items()}


def _array(value, info):
    kind = NUMPY[info.dtype]
    array = np.asarray(value, kind)
    if kind.kind == "O":
        for place, each in np.ndenumerate(array):
            if isinstance(each, dict):
                array[place] = base64.b64decode(each["b64"])
    if not array.size and info.shape is not None and array.ndim < len(info.shape):
        # Of no rows JSON tells no more than that.
        return array.reshape(array.shape + tuple(max(size, 0) for size in info.shape[array.ndim :]))
    return array
