"""The pages at `/demo/`: files of the package, read once, and found in a list that is made at the start."""

import hashlib
import importlib.resources
from importlib.resources.abc import Traversable

from kerasmlsp.serving.requests import Answer, Request

# Not by the module mimetypes, which knows what the machine's files say.
_KINDS = {
    ".css": b"text/css; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".ico": b"image/x-icon",
    ".jpg": b"image/jpeg",
    ".js": b"text/javascript; charset=utf-8",
    ".json": b"application/json",
    ".mjs": b"text/javascript; charset=utf-8",
    ".png": b"image/png",
    ".svg": b"image/svg+xml",
    ".txt": b"text/plain; charset=utf-8",
    ".wav": b"audio/wav",
    ".webp": b"image/webp",
    ".woff2": b"font/woff2",
}
_POLICY = (
    b"default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob: data:; worker-src 'self'; "
    b"object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SAFE = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
"""Headers of every page."""


class Pages:
    """The pages, by the path that they are asked by.

    Args:
        folder: Where they are; by default those of the package.

    Example:
        >>> import pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> (folder / "index.html").write_text("<p>Hello")
        8
        >>> pages = Pages(folder)
        >>> sorted(pages.answers)
        [b'/demo/', b'/demo/index.html']
    """

    def __init__(self, folder: Traversable | None = None):
        folder = folder or importlib.resources.files("kerasmlsp.serving") / "page"
        self.answers: dict[bytes, Answer] = {}
        self._folders: set[bytes] = set()
        self._list(folder, b"/demo/")

    def _list(self, folder, path):
        self._folders.add(path)
        for each in folder.iterdir():
            name = each.name.encode()
            if each.is_dir():
                self._list(each, path + name + b"/")
                continue
            kind = _KINDS.get(f".{each.name.rpartition('.')[2].lower()}")
            if kind is None or name.startswith(b"."):
                continue
            body = each.read_bytes()
            tag = b'"' + hashlib.sha256(body).hexdigest()[:20].encode() + b'"'
            headers = [*SAFE, (b"etag", tag), (b"cache-control", b"no-cache"), (b"content-security-policy", _POLICY)]
            if kind.startswith(b"text/html"):
                headers.append((b"permissions-policy", b"camera=(self), microphone=(self)"))
            self.answers[path + name] = Answer(body, 200, kind, tuple(headers))
            if name == b"index.html":
                self.answers[path] = self.answers[path + name]

    def answer(self, request: Request) -> Answer | None:
        """Returns the page, "not changed" to who has it already, and the way to the folder to who left out its slash.

        Args:
            request: A GET or HEAD.

        Returns:
            None if there is no such page.

        Example:
            >>> import pathlib, tempfile
            >>> folder = pathlib.Path(tempfile.mkdtemp())
            >>> scope = {"method": "GET", "raw_path": b"/demo", "headers": [], "query_string": b""}
            >>> Pages(folder).answer(Request(scope, None)).headers
            ((b'location', b'/demo/'),)
        """
        found = self.answers.get(request.path)
        if found is None:
            return to(request.path + b"/") if request.path + b"/" in self._folders else None
        tags = request.headers.get(b"if-none-match", b"")
        if any(name == b"etag" and value in tags for name, value in found.headers):
            return found._replace(body=b"", status=304)
        return found


def to(path: bytes) -> Answer:
    """Returns the answer that sends a browser elsewhere.

    Example:
        >>> to(b"/docs").status
        307
    """
    return Answer(b"", 307, b"text/plain", ((b"location", path),))
