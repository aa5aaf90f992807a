"""Tests of the site: its code runs unchanged, the strict build passes, and its statements match the code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.children import call
from tests.hub_server import running_hub
from tests.report.browser import chromium, opened, requested
from tests.site_material import MATERIAL, publish
from tests.site_pages import Block, blocks
from tests.wording import raises

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {str(path.relative_to(DOCS)): path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))}
RUN = [name for name, page in PAGES.items() if any(block.runs for block in blocks(page))]
ELSEWHERE = {"first-project.md": "tests/test_install.py runs it in a separate environment"}
LONG = (
    "first-steps.md",
    "coming-from/open_clip.md",
    "right.md",
    "toy.md",
    *(  # half a minute or more each
        f"how-to/{name}.md"
        for name in (
            "score",
            "your-model",
            "your-question",
            "your-method",
            "fine-tuning",
            "edits",
            "sharing",
            "figures",
            "cluster",
            "domains",
            "metrics",
            "readers",
            "paper",
        )
    ),
)
FEW = "--limit 90 --max-steps 4 --attributed 2 --n-steps 5 --jobs 1"
TWO_RUNS = "--max-steps 2 --objectives iit-das-lora --seeds 0"
SMALL = f"--controls none {FEW}"
# Replacements on pages: smaller settings, so that a page does not take minutes, and settings of other machines.
SMALLER = {
    "first-steps.md": {
        "pip install": "pip install --dry-run --no-deps --quiet",
        "--layers 8,11 --sizes 16": f"--layers 11 --sizes 16 --tune-steps 2 {SMALL}",
    },
    "how-to/your-model.md": {"--layers 10,11 --sizes 64": f"--layers 11 --sizes 4 {SMALL}"},
    "how-to/score.md": {
        "openai/clip-vit-base-patch32": "toy",
        "--tuning edit": "--tuning edit --layer 12 --limit 30 --max-steps 4",
    },
    "how-to/your-question.md": {
        "openai/clip-vit-base-patch32": "toy",
        "--layers 9 --sizes 8": f"--layers 9 --sizes 8 {SMALL}",
    },
    "how-to/fine-tuning.md": {
        "--layer 10 --size 16": "--layer 10 --size 16 --limit 90 --max-steps 4",
        "evaluate --model": "evaluate --controls none --tasks preference,norms --attributed 2 --model",
    },
    "how-to/metrics.md": {
        "--layer 10 --size 16": "--layer 10 --size 16 --limit 90 --max-steps 2",
        "--model base,runs/iit-das --data toy": "--model base,runs/iit-das --data toy --limit 120",
    },
    "how-to/readers.md": {
        "study power": "study power --people 8 --items 8 --simulations 4",
        "--layer 10 --size 16": "--layer 10 --size 16 --limit 90 --max-steps 2",
        "--items 60 --people 24 --each 30": "--items 12 --people 8 --each 12",
    },
    "how-to/domains.md": {
        "--layer 10 --size 16": "--layer 10 --size 16 --limit 90 --max-steps 2",
        "evaluate --model": "evaluate --controls none --limit 90 --model",
    },
    "how-to/edits.md": {
        'load_pairs("toy")': 'load_pairs("toy", limit=90)',
        "--tuning edit": "--tuning edit --limit 90 --max-steps 4",
        "evaluate --model runs/edit ": "evaluate --model runs/edit --controls none --tasks preference ",
        "--layers 6-12 --objective edit": f"--layers 12 --sizes 2 --objective edit {SMALL}",
        "--tasks dose --out": "--tasks dose --limit 90 --transfer-limit 20 --out",
    },
    "how-to/cluster.md": {
        "python -m venv .venv\n": "",
        "pip install ./clip-descriptions\n": "",
        "--max-steps 400 --layers 6-12 --sizes 16,32,64,128,256 --seeds 0-4": (
            "--max-steps 4 --layers 11 --sizes 4 --seeds 0,1 --controls none --attributed 2 --n-steps 5"
        ),
        "--limit 20000 --device cuda": "--limit 90 --jobs 1",
        "--array=1-35 job.sh 35": "--array=1-2 job.sh 2",
        "--layers 6-12 --seeds 0-4": f"--layers 11 --sizes 4 --seeds 0,1 --objective das {SMALL}",
        "--device cuda": "",
        # The command starts a cluster itself; tests/sweep/test_on_ray.py has a cluster of several nodes.
        "ray start": "echo ray start",
        "--address auto --gpus-per-cell 0.25": "",
    },
    "how-to/paper.md": {
        "git clone https://github.com/elisakreiss/contextual-description-evaluation": "test -d",
        "concadia check data/concadia": "concadia check data/concadia || test $? = 1",  # an incomplete copy
        "--limit 400 --transfer-limit 200": "--limit 30 --transfer-limit 3",
        "--preset paper \\\n    --transfer": f"--preset paper {TWO_RUNS} --jobs 1 --transfer",
        "--preset paper --seeds 0-4": f"--preset paper {TWO_RUNS}",
        "--device cuda": "--device cpu",
        "--array=1-51 job.sh 51": "--array=1-2 job.sh 2",
    },
}


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def smaller(name: str) -> str:
    """Return a page with its replacements; each replaced text must be on the page."""
    page = PAGES[name]
    for old, new in SMALLER.get(name, {}).items():
        assert old in page, (name, old)
        page = page.replace(old, new)
    return page


def surroundings(folder: Path, hub: str) -> dict[str, str]:
    """Return the environment of a page: commands of this environment, a hub on this machine, and empty caches."""
    caches = {"CLIP_DESCRIPTIONS_CACHE": str(folder / "cache"), "HF_HOME": str(folder / "hf"), "HF_ENDPOINT": hub}
    path = os.pathsep.join([str(ROOT / "tests" / "slurm"), str(Path(sys.executable).parent), os.environ["PATH"]])
    quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_TOKEN": "hf_none", "WANDB_MODE": "disabled"}
    kept = {key: value for key, value in os.environ.items() if key not in ("HF_HUB_OFFLINE", "SLURM_ARRAY_TASK_ID")}
    return kept | caches | quiet | {"PATH": path, "PYTHONPATH": str(ROOT)}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.thorough] if name in LONG else []) for name in RUN if name not in ELSEWHERE],
)
def test_the_code_of_a_page_runs_from_top_to_bottom(
    name: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
):
    page = smaller(name)
    for place, make in MATERIAL.items():
        if place in page:
            make(tmp_path / place)
    (tmp_path / "clip-descriptions").symlink_to(ROOT)
    (tmp_path / "page.md").write_text(page, encoding="utf-8")
    with running_hub() as hub:
        publish(hub, tmp_path_factory.mktemp("hub"))
        command = [sys.executable, "-m", "tests.site_pages", "page.md"]
        shown = call(*command, cwd=tmp_path, env=surroundings(tmp_path, hub.address))
    assert shown.count("== line ") == sum(block.runs for block in blocks(page))


def test_what_is_run_elsewhere_is_a_page():
    assert set(ELSEWHERE) <= set(RUN)
    assert len(RUN) >= 12


@pytest.mark.parametrize("page", ["```sh\nfalse | true\n```\n", "```python\nassert 1 > 2\n```\n"])
def test_what_fails_on_a_page_fails(page: str, tmp_path: Path):
    (tmp_path / "page.md").write_text(page, encoding="utf-8")
    command = [sys.executable, "-m", "tests.site_pages", "page.md"]
    done = subprocess.run(command, cwd=tmp_path, env=surroundings(tmp_path, ""), capture_output=True, check=False)
    assert done.returncode == 1


def test_blocks_are_what_they_are():
    page = 'a\n```csv title="b/c.csv"\nx\n```\n\n```text\ny\n```\n```python\nz\n```\n'
    assert list(blocks(page)) == [
        Block("csv", "x\n", 2, "b/c.csv"),
        Block("text", "y\n", 6),
        Block("python", "z\n", 9),
    ]
    assert [block.runs for block in blocks(page)] == [True, False, True]
    with raises(ValueError, 1):
        list(blocks("```ruby\n```\n"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `make docs` does; a broken link is an error."""
    folder = tmp_path_factory.mktemp("site")
    call(Path(sys.executable).with_name("mkdocs"), "build", "--site-dir", folder, cwd=ROOT)
    return folder


@pytest.mark.thorough  # every page, in several widths
def test_the_site_in_a_browser(site: Path):
    """Check every page at two widths and in both schemes: accessibility, page width, and requests to other hosts."""
    from axe_core_python.selenium import Axe

    handler = partial(QuietHandler, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, chromium() as browser:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base, axe, problems = f"http://127.0.0.1:{server.server_port}/", Axe(), []
        for name in PAGES:
            place = name.removesuffix("index.md").removesuffix(".md")
            for width, dark in ((1280, False), (390, False), (1280, True)):
                opened(browser, base + place, width=width, dark=dark)
                wide = browser.execute_script("return document.documentElement.scrollWidth")
                problems += [f"{name}, {width}: {wide} pixels wide"] * (wide > width)
                if width == 390 or (dark and name not in ("index.md", "coming-from/captum.md", "right.md")):
                    continue  # these pages have parts and colours of pages that are checked
                violations = axe.run(browser)["violations"]
                problems += [
                    f"{name}, {width}{', dark' * dark}: {violation['id']}: {node['html'][:200]}"
                    for violation in violations
                    for node in violation["nodes"][:2]
                ]
        assert not problems, "\n".join(problems)
        assert {urlsplit(url).hostname for url in requested(browser) if not url.startswith(("data:", "blob:"))} == {
            "127.0.0.1"
        }
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
        server.shutdown()


@pytest.mark.slow
def test_no_page_names_another_host_but_in_links(site: Path):
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)[^>]+src=[\"']?(https?:[^\"' >]+)", text)
        loaded += re.findall(r"<link[^>]+href=[\"']?(https?:[^\"' >]+)", text)
        assert loaded == [], page


def test_the_readme_is_short_and_its_links_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.split()) <= 800
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 20
    for link in links:
        assert link.startswith("https://") or (ROOT / link).is_file(), link
