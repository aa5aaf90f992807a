"""Answer files, checked against the design, with each participant counted once. No torch."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from interp.data.blv import QUESTIONS
from interp.data.files import read_file
from interp.errors import UserError, quoted, reason
from interp.runs.content import Real, parse, to_json
from interp.runs.files import StoreError, write_atomic
from training.studies.design import Place, Study

_MOST = 2**20  # bytes of an answer file; a thousand screens take a fifth of this size
_SUFFIXES = (".json", ".txt")  # the page also shows the answers as text to copy
_SAVE_AGAIN = "ask the participant to save the answers again"
_DAY = 86400.0  # seconds


@dataclass(frozen=True)
class Answer:
    """Answer to one screen.

    Attributes:
        screen: number of the screen in the form, counted from 0.
        choice: chosen place.
        ratings: question -> rating, 1 to 5; empty for a screen without questions.
        seconds: time during which the screen was in view.
    """

    screen: int
    choice: Place
    ratings: Mapping[str, int]
    seconds: Real


@dataclass(frozen=True)
class Response:
    """Answers of one participant, as the page saves them.

    Attributes:
        simulated: True for answers from `training.studies.simulation`.
    """

    study: str
    form: str
    code: str
    language: str
    answers: tuple[Answer, ...]
    simulated: bool = False

    def save(self, folder: Path) -> Path:
        """Write the file that the page would save, and return its path."""
        path = folder / f"answers-{self.code}.json"
        write_atomic(path, to_json(asdict(self)))
        return path


def is_simulated(path: Path) -> bool:
    """Return whether a file can be read and holds simulated answers."""
    try:
        return parse(read_file(path, _MOST), Response, path, _SAVE_AGAIN).simulated
    except (OSError, StoreError):
        return False


def read_responses(paths: Sequence[str], study: Study) -> tuple[list[Response], list[str], list[str]]:
    """Read answer files.

    Args:
        paths: files, and folders whose files `*.json` and `*.txt` are read.

    Returns:
        The responses in the order of their codes, notes, and problems, with one line for each unusable file.

    Raises:
        UserError: a path does not exist, or the paths contain no answer file.
    """
    by_code: dict[str, tuple[Path, str, Response]] = {}
    files, notes = _files(paths)
    problems: list[str] = []
    for path in files:
        try:
            data = read_file(path, _MOST)
            response = parse(data, Response, path, _SAVE_AGAIN)
            _check(response, study, path)
        except OSError as error:
            problems.append(f"cannot read '{path}': {reason(error)}; {_SAVE_AGAIN}")
            continue
        except StoreError as error:
            problems.append(str(error))
            continue
        content = hashlib.sha256(json.dumps(asdict(response), sort_keys=True).encode()).hexdigest()
        first, first_content, _ = by_code.setdefault(response.code, (path, content, response))
        if first_content != content:
            problems.append(f"'{path}' and '{first}' hold different answers by {response.code}; keep one of the files")
        elif first != path:
            notes.append(f"'{path}' holds the same answers as '{first}', and is ignored")
    responses = [response for _, _, response in by_code.values()]
    empty = [response.code for response in responses if not response.answers]
    notes += [f"{code} has answered no screen, and is left out" for code in sorted(empty)]
    kept = sorted((response for response in responses if response.answers), key=lambda each: each.code)
    if len({each.simulated for each in kept}) == 2:
        problems.append("some files hold simulated answers, and others answers of people; analyse them separately")
    partial = [each.code for each in kept if len(each.answers) < len(study.form_of[each.code].screens)]
    if partial:
        notes.append(f"{len(partial)} of {len(kept)} participants stopped before the end; their answers are counted")
    return kept, notes, problems


def _files(paths: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Return all files that paths name, each once, and notes on skipped files of folders.

    Raises:
        UserError: a path does not exist, or the paths contain no answer file.
    """
    files: dict[str, Path] = {}
    notes = []
    for name in paths:
        if os.path.isdir(name):
            shown = sorted(path for path in Path(name).iterdir() if not path.name.startswith("."))
            inside = [path for path in shown if path.suffix.lower() in _SUFFIXES]
            if others := [path for path in shown if path not in inside]:
                notes.append(f"'{name}' also holds {others[0].name}, which is skipped (skipped files: {len(others)})")
        elif os.path.exists(name):
            inside = [Path(name)]
        else:
            raise UserError(f"no file or folder {quoted(name)}; give answer files, or folders with answer files")
        files |= {os.path.realpath(path): path for path in inside if os.path.realpath(path) not in files}
    if not files:
        raise UserError(f"no answer files in {quoted(', '.join(paths))}; participants save them as answers-CODE.json")
    return list(files.values()), notes


def _check(response: Response, study: Study, path: Path) -> None:
    """Raise `StoreError` unless a response fits the design."""

    def refuse(fault: str, remedy: str = _SAVE_AGAIN) -> None:
        raise StoreError(f"'{path}': {fault}; {remedy}")

    if response.study != study.id:
        refuse(f"it belongs to study {quoted(response.study)}, not to {study.id}", "analyse it with its own study")
    if response.code not in study.form_of:
        refuse(f"no participant of this study has the code {quoted(response.code)}")
    form = study.form_of[response.code]
    if response.form != form.name:
        refuse(f"the code {response.code} belongs to form {form.name}, but the answers to form {quoted(response.form)}")
    seen: set[int] = set()
    for answer in response.answers:
        place = f"answer to screen {answer.screen}"
        if not 0 <= answer.screen < len(form.screens):
            refuse(f"{place}: this screen does not exist; form {form.name} has screens 0 to {len(form.screens) - 1}")
        if answer.screen in seen:
            refuse(f"{place}: the file has two answers to this screen")
        seen.add(answer.screen)
        asked = () if form.screens[answer.screen].rated is None else QUESTIONS
        if set(answer.ratings) != set(asked):
            refuse(
                f"{place}: it rates {quoted(', '.join(answer.ratings))}; the questions are {', '.join(asked) or 'none'}"
            )
        if any(not 1 <= rating <= 5 for rating in answer.ratings.values()):
            refuse(f"{place}: a rating is not from 1 to 5")
        if not 0 <= answer.seconds <= 7 * _DAY:
            refuse(f"{place}: a time of {answer.seconds:g} seconds is not possible")
