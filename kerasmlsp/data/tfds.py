"""TensorFlow Datasets that also work, and fail quickly, without a network.

TensorFlow and TFDS are imported where they are used, so that importing this module costs nothing.
"""

import contextlib
import difflib
import queue
import re
import socket
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from kerasmlsp.files import existing

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_datasets as tfds

_NETWORK_SECONDS = 1.8


def load_tfds(
    name: str,
    split: str,
    *,
    features: Iterable[str] = (),
    manual_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
) -> "tuple[tf.data.Dataset, tfds.core.DatasetInfo]":
    """Loads a data set of TensorFlow Datasets, prepared first where it is not yet.

    A prepared data set needs no network. Without a network it is prepared from the original files in `manual_dir`,
    whose published checksums are verified; with neither, this says so within two seconds, where TFDS itself tries again
    for minutes.

    Args:
        name: As in `tfds.load`, such as "imdb_reviews" or "fashion_mnist:3.0.1".
        split: As in `tfds.load`, such as "train" or "train[:10%]".
        features: Names of features that the data set must have, asked before anything is downloaded or prepared.
        manual_dir: Folder with the original files under their original names.
        data_dir: Folder of prepared data sets; default `~/tensorflow_datasets`.

    Returns:
        The `tf.data.Dataset` in its stored order, and its `tfds.core.DatasetInfo`.

    Raises:
        ConnectionError: The files have to be downloaded, and their hosts cannot be reached.
        FileNotFoundError: `manual_dir` lacks a file.
        ValueError: There is no such data set, version, feature or split, or a file fails its checksum.

    Example:
        >>> data, info = load_tfds("imdb_reviews", "train[:10%]", features=("text", "label"))  # doctest: +SKIP
        >>> load_tfds("imdb_reviws", "train")
        Traceback (most recent call last):
        ValueError: `name` must be a data set of TensorFlow Datasets, such as imdb_reviews... Received: 'imdb_reviws'
    """
    manual_dir = None if manual_dir is None else existing(manual_dir, "manual_dir")
    builder = _tfds_builder(name, data_dir)
    if missing := [feature for feature in features if feature not in (builder.info.features or ())]:
        there = ", ".join(builder.info.features or ())
        raise ValueError(
            f"`features` (--text-column, --label-column) must be among those of {name}: {there}. "
            f"Received: {missing[0]!r}"
        )
    if not builder.is_prepared():
        _prepare(builder, manual_dir)
    try:
        return builder.as_dataset(split=split), builder.info
    except (ValueError, KeyError, AssertionError) as error:
        splits = ", ".join(builder.info.splits)
        raise ValueError(
            f"`split` must be {splits} or a part of one ({_reason(error)}). Received: {split!r}"
        ) from error


def _tfds_builder(name: str, data_dir):
    import tensorflow_datasets as tfds

    try:
        if tfds.core.naming.parse_builder_name_kwargs(name)[0].namespace:  # NAMESPACE:NAME is looked up in the network
            _require_network(name, [_host("https://storage.googleapis.com")])
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError as error:
        raise ValueError(_unknown_name(name)) from error
    except (ValueError, AssertionError) as error:
        forms = "NAME, NAME/CONFIG or NAME:VERSION"
        raise ValueError(f"`name` must be {forms} ({_reason(error)}). Received: {name!r}") from error


def _reason(error: Exception) -> str:
    """Returns the first sentence of what TFDS says, without the call that it puts before it."""
    lines = str(error).strip().splitlines() or ["no reason given"]
    reason = re.sub(r"^Failed to construct dataset .*\}\": ", "", lines[0])
    return re.split(r"\. |[.:]$", reason)[0].rstrip()


def _unknown_name(name: str) -> str:
    import tensorflow_datasets as tfds

    names = tfds.list_builders(with_community_datasets=False)
    close = [known for known in names if name and name in known]
    close = list(dict.fromkeys(difflib.get_close_matches(name, names) + close))[:5] or ["imdb_reviews", "fashion_mnist"]
    return f"`name` must be a data set of TensorFlow Datasets, such as {', '.join(close)}. Received: {name!r}"


def _prepare(builder, manual_dir: Path | None):
    import tensorflow as tf
    import tensorflow_datasets as tfds

    hosts = _hosts(builder)
    if manual_dir is None:
        _require_network(builder.name, hosts)
    elif not _any_reachable(hosts):
        _refuse_downloads(builder, manual_dir)
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    config = tfds.download.DownloadConfig(manual_dir=manual_dir, try_download_gcs=False)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # TFDS prints; stdout is for results
            builder.download_and_prepare(download_config=config)
    except tfds.core.download.download_manager.NonMatchingChecksumError as error:
        path = re.search(r"downloaded to (.*), has wrong checksum", str(error))
        raise ValueError(
            f"`manual_dir` must hold the original files, as their checksums tell: fetch them again. "
            f"Received: {path[1] if path else manual_dir}, which is another file than the published one"
        ) from error
    except tfds.download.DownloadError as error:
        raise ConnectionError(f"{error} {_no_network(builder.name, hosts)}") from error
    except (AssertionError, tf.errors.NotFoundError) as error:
        if not builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
            raise
        raise FileNotFoundError(_by_hand(builder, manual_dir)) from error


def _by_hand(builder, manual_dir: Path | None) -> str:
    instructions = " ".join(builder.MANUAL_DOWNLOAD_INSTRUCTIONS.split())
    return f"`manual_dir` must hold the files of {builder.name}: {instructions} Received: {manual_dir}"


def _no_network(name: str, hosts) -> str:
    return (
        f"{name} is not prepared here and {hosts[0][0]} cannot be reached: give your own file or folder (--data), the "
        f"folder of its original files (--manual-dir DIR), or try again with a network."
    )


def _require_network(name: str, hosts):
    if not _any_reachable(hosts):
        raise ConnectionError(_no_network(name, hosts))


def _refuse_downloads(builder, manual_dir: Path):
    """Makes a builder stop at the first file that is not in `manual_dir`, instead of trying to download it for minutes.

    Which files a configuration needs is known only to its code, so downloads are refused where they would start. The
    two names are private in TFDS: were they to change, it would merely try the network again.
    """
    make_manager = getattr(builder, "_make_download_manager", None)
    if make_manager is None:
        return

    def refuse(resource):
        known = builder.url_infos.get(resource.url)
        file = (known and known.filename) or resource.url.rpartition("/")[2]
        advice = f"fetch it from {resource.url}"
        raise FileNotFoundError(f"`manual_dir` must hold {file}: {advice}. Received: {manual_dir}")

    def make_offline_manager(*arguments, **named):
        manager = make_manager(*arguments, **named)
        manager._download = refuse
        return manager

    builder._make_download_manager = make_offline_manager


def _hosts(builder) -> list[tuple[str, int]]:
    """Returns up to four hosts that hold the files of a builder, or the proxies that stand before them."""
    urls = list(builder.url_infos or ()) or ["https://storage.googleapis.com"]
    return list(dict.fromkeys(map(_host, urls)))[:4]


def _host(url: str) -> tuple[str, int]:
    parts = urllib.parse.urlsplit(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        parts = urllib.parse.urlsplit(proxy if "//" in proxy else f"//{proxy}")
    default_port = {"https": 443, "ftp": 21}.get(parts.scheme, 80)
    return parts.hostname or "localhost", parts.port or default_port


def _any_reachable(hosts) -> bool:
    """Whether one of the hosts answers in time; in threads, as looking a name up has no time limit of its own."""
    answers = queue.SimpleQueue()

    def connect(address):
        try:
            socket.create_connection(address, timeout=_NETWORK_SECONDS).close()
            answers.put(True)
        except OSError:
            answers.put(False)

    for address in hosts:
        threading.Thread(target=connect, args=(address,), daemon=True).start()
    end = time.monotonic() + _NETWORK_SECONDS
    with contextlib.suppress(queue.Empty):
        return any(answers.get(timeout=max(0.0, end - time.monotonic())) for _ in hosts)
    return False
