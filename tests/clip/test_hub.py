"""Tests of a hub that does not answer: an error in one line within seconds, and models from the cache."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import huggingface_hub
import pytest

from interp.clip.errors import ModelError
from interp.clip.loading import load_clip
from interp.data import DataError
from interp.data.hub import HubSilent, ask_hub
from interp.data.transfer import load_transfer
from tests.wording import raises, refused

TOY = Path("interp/data/assets/toy-clip").resolve()
SILENT = "http://127.0.0.1:9"  # no process listens there


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set an empty cache, and a hub at an address where no process listens."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", SILENT)
    return tmp_path


@pytest.fixture
def deaf() -> Iterator[str]:
    """Return the address of a server that accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def answering() -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """Return the address of a hub, and a list whose last entry is the status and error code of its answers."""
    answers: list[tuple[int, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, code = answers[-1]
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", answers
        server.shutdown()


def cached(cache: Path) -> Path:
    """Put the embedded CLIP into the cache as the model a/b."""
    repository = cache / "models--a--b"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("1" * 40)
    return shutil.copytree(TOY, repository / "snapshots" / ("1" * 40))


@pytest.mark.usefixtures("cache")
def test_without_a_network_a_hub_id_is_one_line_soon(capfd: pytest.CaptureFixture[str]):
    started = time.perf_counter()
    with raises(ModelError, "'a/b'"):
        load_clip("a/b")
    assert time.perf_counter() - started < 10
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.usefixtures("cache")
def test_a_hub_that_says_nothing_is_waited_for_briefly(deaf: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", deaf)
    for given, least, most in (("", 1.9, 2.8), ("1", 0.9, 1.8), ("none", 1.9, 2.8)):
        monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", given)
        started = time.perf_counter()
        with raises(HubSilent, snapshot=False):  # the wait may end before or after a connection
            ask_hub("a/b")
        assert least < time.perf_counter() - started < most


@pytest.mark.slow
def test_a_search_for_its_address_that_does_not_end(monkeypatch: pytest.MonkeyPatch):
    """Check the limit for a name lookup, which the timeout of a request does not cover."""
    let_go = threading.Event()
    monkeypatch.setattr(huggingface_hub, "repo_info", lambda *_args, **_options: let_go.wait(60))
    monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "1")
    started = time.perf_counter()
    with raises(HubSilent, 1, "HF_HUB_ETAG_TIMEOUT"):
        ask_hub("a/b")
    assert time.perf_counter() - started < 5
    let_go.set()


def test_without_a_network_a_model_in_the_cache_is_loaded(cache: Path):
    snapshot = cached(cache)
    assert load_clip("a/b").fingerprint == load_clip("toy").fingerprint
    (snapshot / "preprocessor_config.json").unlink()
    with raises(ModelError):
        load_clip("a/b")


@pytest.mark.parametrize(
    ("status", "code", "value"),
    [
        (404, "RepoNotFound", "hf auth login"),
        (404, "RevisionNotFound", "'main'"),
        (403, "GatedRepo", ()),
    ],
)
def test_what_the_hub_refuses(
    cache: Path,
    answering: tuple[str, list[tuple[int, str]]],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    code: str,
    value: object,
):
    """Do not replace a model that the hub refuses by a model in the cache."""
    address, answers = answering
    cached(cache)
    answers.append((status, code))
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", address)
    with raises(ModelError, "'a/b'", value):
        load_clip("a/b")


def test_a_hub_with_an_error_is_one_that_does_not_answer(
    cache: Path, answering: tuple[str, list[tuple[int, str]]], monkeypatch: pytest.MonkeyPatch
):
    address, answers = answering
    answers.append((503, ""))
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", address)
    with raises(ModelError, "(503)"):
        load_clip("a/b")
    with raises(DataError, "'me/mine'", "(503)"):
        load_transfer("mine=hub:me/mine")
    cached(cache)
    assert load_clip("a/b").fingerprint == load_clip("toy").fingerprint


@pytest.mark.usefixtures("cache")
def test_no_id(monkeypatch: pytest.MonkeyPatch):
    for name in ("a b/c", "a/b@no such revision\n"):
        with raises(ModelError, name.partition("\n")[0]):
            load_clip(name)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with raises(HubSilent, "HF_HUB_OFFLINE"):
        ask_hub("a/b")


COMMANDS = {
    "interp.check": ["MODEL"],
    "interp.sweep": ["--layers", "6", "--model", "MODEL"],
    "training.finetune": ["--objective", "behavioral", "--model", "MODEL"],
    "training.evaluate": ["--model", "MODEL"],
}


@pytest.mark.slow
@pytest.mark.parametrize("module", COMMANDS)
@pytest.mark.parametrize("option", ["model", "tokenizer"])
def test_a_command_says_so_before_torch_is_loaded(deaf: str, tmp_path: Path, module: str, option: str):
    arguments = [word.replace("MODEL", "a/b" if option == "model" else "toy") for word in COMMANDS[module]]
    arguments += ["--tokenizer", "a/b"] * (option == "tokenizer")
    (tmp_path / "torch.py").write_text("raise SystemExit('torch was imported')")
    environment = os.environ | {"HF_ENDPOINT": deaf, "HF_HOME": str(tmp_path), "PYTHONPATH": f"{tmp_path}:."}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, env=environment, check=False
    )
    assert done.stdout == ""
    refused(
        done.returncode, done.stderr, "'a/b'", "the hub does not answer", snapshot=False
    )  # within 2 s, or without a limit
