"""Tests of `--config`: options that it takes from a manifest, and manifests that it refuses."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp import cli
from interp.cli import LOADED, options_of
from interp.runs.replay import Replay
from interp.runs.versions import VERSIONS
from interp.sweep.config import SweepConfig
from interp.sweep.config import preset as sweep_preset
from tests.wording import exits
from training.config import EvaluateConfig, FinetuneConfig, evaluation_preset, preset

AGAIN: dict[type, Replay[Any]] = {
    SweepConfig: Replay("sweep", sweep_preset),
    FinetuneConfig: Replay("finetune", preset),
    EvaluateConfig: Replay("evaluation", evaluation_preset),
}
WORKING = {
    SweepConfig: {"out", "shard", "merge", "trust_run", "engine", "address", "gpus_per_cell", "jobs", "verbose"},
    FinetuneConfig: {"out", "resume", "trust_run", "log_with"},
    EvaluateConfig: {"out", "compare", "paper", "trust_run"},
}


def names(config: type, *roles: cli.Role) -> set[str]:
    return {field.name for field in options_of(config, *roles)}


def parsed(config: type, words: list[str]) -> Any:
    """Parse words as the command of these options does."""
    return cli.parse(config, "prog", "", "", words, AGAIN[config].preset, AGAIN[config])


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a temporary folder, for short paths, since messages cut long paths."""
    monkeypatch.chdir(tmp_path)


def manifest(folder: Path, config: Any, **changed: Any) -> str:
    """Write the manifest of a run with these options, as all three commands do, and return its path."""
    again = AGAIN[type(config)]
    arguments = {**dataclasses.asdict(config), **changed}
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / "manifest.json"
    content = {"settings": {"kind": again.kind, "version": VERSIONS[again.kind]}, "arguments": arguments}
    path.write_text(json.dumps(content, ensure_ascii=False, default=str))
    return str(path)


def typed(config: type) -> st.SearchStrategy[list[str]]:
    """Return a strategy for command lines."""
    hints = get_type_hints(config)

    def words(field: dataclasses.Field[Any]) -> st.SearchStrategy[list[str]]:
        flag, hint = cli.flag(field.name), str(hints[field.name])
        if isinstance(field.default, bool):
            return st.just([flag])
        if "Literal" in hint:
            return st.sampled_from(field.metadata["choices"]).map(lambda value: [flag, value])
        if "int" in hint:
            return st.integers(0, 2**32 - 1).map(lambda value: [f"{flag}={value}"])
        if "float" in hint:
            return st.floats(allow_nan=False, allow_infinity=False).map(lambda value: [f"{flag}={value}"])
        text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=9)
        return text.filter(str.strip).map(lambda value: [f"{flag}={value}"])

    fields = [field for field in dataclasses.fields(config) if "tuple" not in str(hints[field.name])]
    parts = st.lists(st.sampled_from(fields).flatmap(words), max_size=6)
    return parts.map(lambda lists: [word for part in lists for word in part])


@pytest.mark.slow
@given(st.data())
@pytest.mark.parametrize("config", AGAIN)
def test_a_run_again_is_asked_for_the_same(config: type, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    """Repeat any options, presets included, except options about the work."""
    first = parsed(config, data.draw(typed(config)))
    where = manifest(tmp_path_factory.mktemp("run"), first)
    plain = parsed(config, ["--out", "new", "--trust-run"])
    again = parsed(config, ["--config", where, "--out", "new", "--trust-run"])
    kept = {name: getattr(plain, name) for name in WORKING[config]}
    assert again == dataclasses.replace(first, **kept)


def test_typed_options_win(tmp_path: Path):
    run = manifest(tmp_path, parsed(FinetuneConfig, ["--lr", "0.5", "--size", "9", "--tuning", "full", "--resume"]))
    options = parsed(FinetuneConfig, ["--size", "64", "--config", run, "--out", "new"])
    assert (options.lr, options.size, options.tuning, options.out, options.resume) == (0.5, 64, "full", "new", False)
    # presets depend on all options, and options typed for the first run stay
    options = parsed(FinetuneConfig, ["--config", run, "--out", "new", "--preset", "paper", "--trust-run"])
    assert (options.lr, options.size, options.patience, options.batch_size) == (0.5, 9, None, 12)
    run = manifest(tmp_path, parsed(SweepConfig, ["--layers", "4"]))
    options = parsed(SweepConfig, ["--config", run, "--objective", "calibrated", "--out", "new"])
    assert (options.layers, options.methods.split(",")[0]) == ("4", "calibrated")
    run = manifest(tmp_path, parsed(FinetuneConfig, ["--preset", "paper", "--model", "toy", "--data", "toy"]))
    options = parsed(FinetuneConfig, ["--config", run, "--objective", "behavioral", "--out", "new"])
    assert (options.lora_rank, options.patience, options.model, options.data) == (128, None, "toy", "toy")


def test_a_run_is_a_folder_or_its_manifest_and_may_lack_newer_options(tmp_path: Path):
    path = manifest(tmp_path / "run", SweepConfig(seeds="3"))
    content = json.loads(Path(path).read_text())
    del content["arguments"]["controls"]
    for where in (tmp_path / "run", Path(path), tmp_path / "mine.json"):
        (where if where.suffix else Path(path)).write_text(json.dumps(content))
        assert parsed(SweepConfig, ["--config", str(where), "--out", "x"]) == SweepConfig(seeds="3", out="x")


ELSEWHERE = {
    "model": "owner/name",
    "tokenizer": "base",
    "data": "csv:pairs.csv",
    "norms": "imageability,mine=norms.csv",
    "transfer": "toy,cifar100",
    "rotation": "a.safetensors",
    "templates": "a.txt",
    "blv": "blv",
    "scores": "a.csv",
    "against": "other",
}


@pytest.mark.parametrize(
    ("config", "name"), [(config, name) for config in AGAIN for name in sorted(names(config, LOADED))]
)
def test_what_a_manifest_names_is_loaded_only_if_that_is_allowed(config: type, name: str, tmp_path: Path, capsys):
    """Allow it by --trust-run or by a typed option, never by an entry of the manifest."""
    value, flag = ELSEWHERE[name], cli.flag(name)
    run = manifest(Path(), config(**{name: value, "trust_run": True}))
    with exits(capsys, f"'{run}'", flag, f"'{value}'", "--trust-run", "--config"):
        parsed(config, ["--config", run, "--out", "new"])
    assert getattr(parsed(config, ["--config", run, "--out", "new", "--trust-run"]), name) == value
    options = parsed(config, ["--config", run, "--out", "new", flag, "another"])
    assert (getattr(options, name), options.trust_run) == ("another", False)


def test_what_is_embedded_needs_no_trust(tmp_path: Path):
    given = EvaluateConfig(model="toy", data="toy", norms="concreteness,mrc-familiarity", transfer="toy")
    run = manifest(tmp_path, given)
    assert parsed(EvaluateConfig, ["--config", run, "--out", "new"]) == dataclasses.replace(given, out="new")


def test_a_preset_of_a_manifest_fetches_nothing_either(tmp_path: Path, capsys):
    """Refuse the authors' model, which is on the hub, since the preset was not typed."""
    run = manifest(tmp_path, FinetuneConfig())
    content = json.loads(Path(run).read_text())
    content["arguments"] = {"preset": "paper"}
    Path(run).write_text(json.dumps(content))
    with exits(capsys, "--model", "'openai/clip-vit-base-patch32'", "--data", "'concadia:data/concadia'"):
        parsed(FinetuneConfig, ["--config", run, "--out", "new"])
    options = parsed(FinetuneConfig, ["--config", run, "--preset", "paper", "--out", "new"])  # the preset is typed
    assert options.model == "openai/clip-vit-base-patch32"


def test_no_manifest_says_where_or_how(tmp_path: Path):
    run = manifest(
        tmp_path,
        SweepConfig(),
        out="elsewhere",
        engine="ray",
        address="host:6379",
        gpus_per_cell=0.5,
        jobs=99,
        shard="1/2",
        merge=True,
        verbose=True,
        trust_run=True,
    )
    assert parsed(SweepConfig, ["--config", run, "--out", "new"]) == SweepConfig(out="new")
    run = manifest(tmp_path, FinetuneConfig(resume=True, log_with="wandb", trust_run=True))
    assert parsed(FinetuneConfig, ["--config", run, "--out", "new"]) == FinetuneConfig(out="new")


def changed(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return apply


def argument(**values: Any) -> Callable[[Path], None]:
    return changed(lambda content: content["arguments"].update(values))


@pytest.mark.parametrize(
    ("spoil", "value"),
    [
        (Path.unlink, ("RUN", "--config", "manifest.json")),
        (lambda path: path.write_text("{"), "RUN"),
        (lambda path: path.write_text("[]"), "[]"),
        (lambda path: path.write_text("[" * 99_999), ()),
        (changed(lambda content: content.pop("arguments")), '"arguments"'),
        (
            changed(lambda content: content["settings"].update(kind="sweep")),
            "'sweep'",
        ),
        (changed(lambda content: content["settings"].pop("kind")), '"kind"'),
        (
            changed(lambda content: content["settings"].update(version=3)),
            ("'finetune'", 3, VERSIONS["finetune"]),
        ),
        (changed(lambda content: content["settings"].pop("version")), '"version"'),
        (changed(lambda content: content["settings"].update(version="4")), '"4"'),
        (argument(frobnicate=1), "'frobnicate'"),
        (argument(size="64"), ('["arguments"]["size"]', '"64"')),
        (argument(size=64.5), ('["arguments"]["size"]', 64.5)),
        (argument(lr="fast"), ('["arguments"]["lr"]', '"fast"')),
        (argument(resume=1), ('["arguments"]["resume"]', 1)),
        (argument(kinds=["a", "b"]), ('["arguments"]["kinds"]', '["a", "b"]')),
        (argument(tuning="none"), ('["arguments"]["tuning"]', '"none"')),
        (argument(size=None), ('["arguments"]["size"]', "null")),
        (argument(patience=None), ("--patience", "'None'")),
        (argument(kinds="a\0,b"), ("--kinds", "'a\\x00,b'")),
        (argument(seed=2**40), ("RUN", "--seed", "'1099511627776'", 4294967295)),
        (argument(lr=float("inf")), ("RUN", "--lr", "'inf'")),
        (argument(kinds=" "), ("RUN", "--kinds")),
        (argument(split="x" * 5000), ("RUN", "--split")),
    ],
)
def test_a_manifest_that_cannot_be_used_is_one_line(
    spoil: Callable[[Path], None], value: object, tmp_path: Path, capsys
):
    run = Path(manifest(Path(), FinetuneConfig()))
    spoil(run)
    values = value if isinstance(value, tuple) else (value,)
    with exits(capsys, *(f"'{run}'" if value == "RUN" else value for value in values)):
        parsed(FinetuneConfig, ["--config", str(run), "--out", "new"])


def test_an_old_run_is_not_written_to_by_itself(tmp_path: Path, capsys):
    run = manifest(tmp_path, SweepConfig(out=str(tmp_path)))
    with exits(capsys, "--config", "--out"):
        parsed(SweepConfig, ["--config", run])


def test_no_folder_of_another_kind_and_no_link_is_followed(tmp_path: Path, capsys):
    manifest(tmp_path / "run", SweepConfig())
    (tmp_path / "other").mkdir()
    for link in (False, True):
        if link:
            (tmp_path / "other" / "manifest.json").symlink_to(tmp_path / "run" / "manifest.json")
        with exits(capsys, f"'{tmp_path / 'other'}" + "/manifest.json" * link + "'"):
            parsed(SweepConfig, ["--config", str(tmp_path / "other"), "--out", "new"])


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["toy", "paper", "--out", "-1"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@pytest.mark.slow
@pytest.mark.parametrize("config", AGAIN)
@given(st.data())
def test_whatever_a_manifest_holds_it_is_options_or_a_line(
    config: type, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
):
    names = st.sampled_from([field.name for field in dataclasses.fields(config)])
    arguments: Mapping[str, Any] = data.draw(st.dictionaries(names, JSON, max_size=4))
    run = Path(manifest(tmp_path_factory.mktemp("run"), config(), **arguments))
    errors, status = io.StringIO(), 0
    with redirect_stderr(errors):
        try:
            options = parsed(config, ["--config", str(run), "--out", "new"])
        except SystemExit as stop:
            status = int(str(stop.code))
    if status == 0:
        assert (options.out, options.trust_run, errors.getvalue()) == ("new", False, "")
        assert options.model == "toy"
    else:
        assert status == 2
        assert errors.getvalue().startswith("error: ")
        assert errors.getvalue().count("\n") == 1
        assert len(errors.getvalue()) < 1200
