"""A publisher of files on this machine, whose connections can be made to break."""

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

RATINGS = "userId,movieId,rating,timestamp\n1,10,4.5,5\n2,10,1,6\n"
MOVIES = "movieId,title,genres\n10,J,War\n"


def zipped(files: Mapping[str | zipfile.ZipInfo, str]) -> bytes:
    """Return an archive of some texts."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


class Publisher:
    """Files by name, the requests that came, and how connections break.

    `breaks` holds, for the requests of archives in turn, after how many bytes the connection ends.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.breaks: list[int] = []
        self.ranges = True

    def publish(self, name: str, archive: bytes, checksum: str = "{md5}  {name}.zip\n") -> None:
        self.files[f"/{name}.zip"] = archive
        text = checksum.format(md5=hashlib.md5(archive, usedforsecurity=False).hexdigest(), name=name)
        self.files[f"/{name}.zip.md5"] = text.encode()

    def ranges_of(self, name: str) -> list[str | None]:
        """Return the range of every request for an archive."""
        return [asked for path, asked in self.asked if path == f"/{name}.zip"]


class _Handler(BaseHTTPRequestHandler):
    publisher: Publisher

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.publisher.asked.append((self.path, asked))
        content = self.publisher.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        first = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and self.publisher.ranges else 0
        if first and first >= len(content):
            self._head(416, 0, f"bytes */{len(content)}")
            return
        self._head(206 if first else 200, len(content) - first, f"bytes {first}-{len(content) - 1}/{len(content)}")
        end = len(content)
        if self.path.endswith(".zip") and self.publisher.breaks:
            end = min(end, first + self.publisher.breaks.pop(0))
        self.wfile.write(content[first:end])

    def _head(self, code: int, length: int, content_range: str) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(length))
        if code != 200:
            self.send_header("Content-Range", content_range)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def publishing():
    """Serve files for as long as the context lasts."""
    handler = type("Handler", (_Handler,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        handler.publisher = Publisher(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield handler.publisher
        finally:
            server.shutdown()
            thread.join()
