"""What a request is refused with: a code of gRPC, a sentence and an HTTP status."""

# tensorflow_serving/util/net_http and http_server.cc: how TensorFlow Serving turns codes into HTTP statuses.
STATUS = {
    "OK": 200,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INTERNAL": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


class ServingError(Exception):
    """A request that is not answered with a result.

    Args:
        code: Name of a gRPC status code, such as `"INVALID_ARGUMENT"`; one of `STATUS`.
        message: What the client reads in the body, in one line.
        status: HTTP status, by default that of the code in `STATUS`. Give 413 for a body that is too large.
        retry_after: Seconds after which the client may try again, sent as `Retry-After`; None for no such header.

    Raises:
        ValueError: If `code` is no key of `STATUS`.

    Example:
        >>> error = ServingError("UNAVAILABLE", "The queue is full.", retry_after=1)
        >>> error.status, error.code, str(error), error.retry_after
        (503, 'UNAVAILABLE', 'The queue is full.', 1)
    """

    def __init__(self, code: str, message: str, *, status: int | None = None, retry_after: int | None = None):
        if code not in STATUS:
            raise ValueError(f"`code` must be one of {', '.join(STATUS)}. Received: {code!r}")
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = STATUS[code] if status is None else status
        self.retry_after = retry_after


def late(seconds: float) -> ServingError:
    """Returns the error of a request whose answer took longer than it may.

    Example:
        >>> late(30).status, str(late(30))
        (504, 'The answer took longer than 30 s')
    """
    return ServingError("DEADLINE_EXCEEDED", f"The answer took longer than {seconds:g} s")


def invalid(message: str) -> ServingError:
    """Returns the error of a request whose body is wrong.

    Example:
        >>> invalid("Missing 'inputs' or 'instances' key").status
        400
    """
    return ServingError("INVALID_ARGUMENT", message)
