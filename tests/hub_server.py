"""Local substitute for the Hugging Face hub, with repositories in memory that its client can create, fill and read."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

COMMIT = "1" * 40


class Hub(ThreadingHTTPServer):
    """Server with a record of all requests, and with repositories; names of data sets begin with ``datasets/``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repos: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.asked: list[str] = []
        self.broken: set[str] = set()  # names of files whose download fails

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, content: Any, status: int = 200, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append(f"POST {self.path}")
        if self.path == "/api/repos/create":
            given = json.loads(body)
            name = "/".join(filter(None, (given.get("organization"), given["name"])))
            self.server.repos.setdefault(name, {})
            private = bool(given.get("private")) or given.get("visibility") == "private"
            self.server.private.setdefault(name, private)
            self.answer({"url": f"{self.server.address}/{name}"})
        elif self.path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif re.fullmatch(r"/api/models/(.+)/preupload/main", self.path):
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            self.answer({"files": files})
        elif commit := re.fullmatch(r"/api/models/(.+)/commit/main", self.path):
            for line in body.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    value = entry["value"]
                    self.server.repos[commit[1]][value["path"]] = base64.b64decode(value["content"])
            address = f"{self.server.address}/{commit[1]}/commit/{COMMIT}"
            self.answer({"success": True, "commitUrl": address, "commitOid": COMMIT})
        else:
            self.answer({"error": "not found"}, 404)

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        pattern = r"/api/(models/|datasets/)([^/]+/[^/]+)(/revision/[^/?]+|/auth-check)?(\?.*)?"
        if (about := re.fullmatch(pattern, self.path)) is not None:
            repo = f"{about[1].removeprefix('models/')}{about[2]}"
            if repo in self.server.repos:
                files = [{"rfilename": name} for name in self.server.repos[repo]]
                self.answer({"id": about[2], "sha": COMMIT, "siblings": files, "tags": []})
            else:
                self.answer({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")
        elif (tree := re.fullmatch(r"/api/(datasets/[^/]+/[^/]+)/tree/.*", self.path)) is not None:
            contents = self.server.repos.get(tree[1], {}).items()
            self.answer(
                [
                    {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                    for name, content in contents
                ]
            )
        elif (file := re.fullmatch(r"/((?:datasets/)?[^/]+/[^/]+)/resolve/[^/]+/(.+)", self.path)) is not None:
            content = self.server.repos.get(file[1], {}).get(file[2])
            if file[2] in self.server.broken:
                self.answer({"error": "Bad request"}, 400)
            elif content is None:
                self.answer({"error": "Entry not found"}, 404, X_Error_Code="EntryNotFound")
            else:
                self.answer(content, ETag=f'"{hashlib.sha1(content).hexdigest()}"', X_Repo_Commit=COMMIT)
        else:
            self.answer({"error": "not found"}, 404)

    do_HEAD = do_GET  # noqa: N815


@contextmanager
def running_hub() -> Iterator[Hub]:
    """Run a hub while the body runs."""
    with Hub() as hub:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        yield hub
        hub.shutdown()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """Replace the real hub in this process by a local hub with an empty cache."""
    with running_hub() as server:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.address)
        monkeypatch.setattr("huggingface_hub.hf_api.ENDPOINT", server.address, raising=False)
        monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", server.address)
        # transformers keeps its first client, and would send requests to the hub of an earlier test for a minute
        monkeypatch.setattr("transformers.utils.hub._hf_api", None, raising=False)
        monkeypatch.setattr(
            huggingface_hub.constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            server.address + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setattr(
            "huggingface_hub.file_download.HUGGINGFACE_CO_URL_TEMPLATE",
            server.address + "/{repo_id}/resolve/{revision}/{filename}",
            raising=False,
        )
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        huggingface_hub.utils.disable_progress_bars()
        yield server
