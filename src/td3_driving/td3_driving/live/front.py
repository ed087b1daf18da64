# SPDX-License-Identifier: Apache-2.0
"""Serves the viewer's page on the loopback with a policy under which a browser loads nothing from anywhere else.

The page that comes with Rerun asks its makers' hosts for fonts, news and statistics. Behind this server a browser
refuses that, so the page works without a net as with one.
"""

from __future__ import annotations

import shutil
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.error import URLError
from urllib.parse import quote, urlsplit

LOOPBACK = "127.0.0.1"
FILES = {
    "/": "text/html; charset=utf-8",
    "/re_viewer.js": "text/javascript",
    "/re_viewer_bg.wasm": "application/wasm",
    "/favicon.ico": "image/x-icon",
}
"""What the page is made of, and the types of its files."""
PATIENCE = 30.0
"""Wall time for a file to come from Rerun's server [s]."""


class Front:
    """Passes the files of the viewer on; a context manager.

    Args:
        port: of the page.
        viewer_port: where Rerun's server has its files.
        data_url: address of the data; :attr:`url` leads the viewer there.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, port: int, viewer_port: int, data_url: str) -> None:
        self.url = f"http://{LOOPBACK}:{port}/"
        host = urlsplit(data_url.removeprefix("rerun+")).netloc
        viewer = f"http://{LOOPBACK}:{viewer_port}"
        handler = type("Handler", (_Handler,), {"viewer": viewer, "data_url": data_url, "policy": policy(host)})
        self._server = ThreadingHTTPServer((LOOPBACK, port), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Front:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Serve no longer."""
        self._server.shutdown()
        self._server.server_close()


def policy(data_host: str) -> str:
    """The Content-Security-Policy of the page: itself, and its data on ``data_host``."""
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "worker-src 'self' blob:",
            f"connect-src 'self' http://{data_host}",
            "frame-ancestors 'none'",
        )
    )


class _Handler(BaseHTTPRequestHandler):
    viewer = data_url = policy = ""

    def do_GET(self) -> None:
        path, asked = urlsplit(self.path).path, urlsplit(self.path).query
        if path not in FILES:
            self.send_error(404)
        elif path == "/" and not asked:
            self._lead(f"/?url={quote(self.data_url, safe=':/')}&hide_welcome_screen=1")
        else:
            self._pass_on(path)

    def _lead(self, place: str) -> None:
        self.send_response(302)
        self.send_header("Location", place)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _pass_on(self, path: str) -> None:
        try:
            with urllib.request.urlopen(f"{self.viewer}{path}", timeout=PATIENCE) as file:
                self.send_response(200)
                self.send_header("Content-Type", FILES[path])
                self.send_header("Content-Security-Policy", self.policy)
                # The viewer shows how far it has come by it.
                if length := file.headers.get("rerun-final-length"):
                    self.send_header("rerun-final-length", length)
                self.end_headers()
                shutil.copyfileobj(file, self.wfile)
        except (URLError, ConnectionError, TimeoutError):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the run's output is for the run."""
