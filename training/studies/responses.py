"""Files of answers: read with suspicion, checked against the design, and each participant counted once. No torch."""

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

_MOST = 2**20  # bytes of a file of answers; a thousand screens take a fifth of it
_SUFFIXES = (".json", ".txt")  # the page also shows the answers as text, to be copied
_SAVE_AGAIN = "ask the participant to save the answers again"
_DAY = 86400.0  # seconds on one screen that can be meant


@dataclass(frozen=True)
class Answer:
    """Answer to one screen.

    Attributes:
        screen: place of the screen in the form, from 0.
        choice: chosen place.
        ratings: question -> rating, 1 to 5; empty for a screen without questions.
        seconds: time that the screen was in view.
    """

    screen: int
    choice: Place
    ratings: Mapping[str, int]
    seconds: Real


@dataclass(frozen=True)
class Response:
    """Answers of one participant, as the page saves them.

    Attributes:
        simulated: True for answers that no person gave (`training.studies.simulation`).
    """

    study: str
    form: str
    code: str
    language: str
    answers: tuple[Answer, ...]
    simulated: bool = False

    def save(self, folder: Path) -> Path:
        """Write the file that the page would save; return its path."""
        path = folder / f"answers-{self.code}.json"
        write_atomic(path, to_json(asdict(self)))
        return path


def is_simulated(path: Path) -> bool:
    """Return whether a file holds simulated answers, and can be read."""
    try:
        return parse(read_file(path, _MOST), Response, path, _SAVE_AGAIN).simulated
    except (OSError, StoreError):
        return False


def read_responses(paths: Sequence[str], study: Study) -> tuple[list[Response], list[str], list[str]]:
    """Read files of answers.

    Args:
        paths: files, and folders whose files `*.json` and `*.txt` are read.

    Returns:
        The responses in the order of their codes; notes; and problems, one line for each file that cannot be used.

    Raises:
        UserError: a path does not exist, or there is no file at all.
    """
    found: dict[str, tuple[Path, str, Response]] = {}
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
        if response.code not in found:
            found[response.code] = path, content, response
        elif found[response.code][1] == content:
            notes.append(f"'{path}' holds the same answers as '{found[response.code][0]}', and is counted once")
        else:
            problems.append(
                f"'{path}' and '{found[response.code][0]}' hold different answers by {response.code}; keep one of them"
            )
    responses = [response for _, _, response in found.values()]
    empty = [response.code for response in responses if not response.answers]
    notes += [f"{code} has answered nothing, and is left out" for code in sorted(empty)]
    kept = sorted((response for response in responses if response.answers), key=lambda each: each.code)
    if len({each.simulated for each in kept}) == 2:
        problems.append("some of the files hold simulated answers, and others those of people; name one of both")
    partial = [each.code for each in kept if len(each.answers) < len(study.form_of[each.code].screens)]
    if partial:
        notes.append(
            f"{len(partial)} of {len(kept)} participants stopped before the end; what they answered is counted"
        )
    return kept, notes, problems


def _files(paths: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Return all files that paths name, each once, and notes on files of folders that are skipped.

    Raises:
        UserError: a path does not exist, or there is no file at all.
    """
    files: dict[str, Path] = {}
    notes = []
    for name in paths:
        if os.path.isdir(name):
            shown = sorted(path for path in Path(name).iterdir() if not path.name.startswith("."))
            inside = [path for path in shown if path.suffix.lower() in _SUFFIXES]
            if others := [path for path in shown if path not in inside]:
                notes.append(f"'{name}' also holds {others[0].name}, which is skipped ({len(others)} skipped in all)")
        elif os.path.exists(name):
            inside = [Path(name)]
        else:
            raise UserError(f"no file or folder {quoted(name)} with answers")
        files |= {os.path.realpath(path): path for path in inside if os.path.realpath(path) not in files}
    if not files:
        raise UserError(
            f"no files with answers in {quoted(', '.join(paths))}; participants save them as answers-CODE.json"
        )
    return list(files.values()), notes


def _check(response: Response, study: Study, path: Path) -> None:
    """Raise `StoreError` unless a response fits the design."""

    def refuse(fault: str, remedy: str = _SAVE_AGAIN) -> None:
        raise StoreError(f"'{path}': {fault}; {remedy}")

    if response.study != study.id:
        refuse(
            f"it belongs to study {quoted(response.study)}, not to {study.id}", "give it to the analysis of its study"
        )
    if response.code not in study.form_of:
        refuse(f"no participant of this study has the code {quoted(response.code)}")
    form = study.form_of[response.code]
    if response.form != form.name:
        refuse(f"the code {response.code} belongs to form {form.name}, and the answers to {quoted(response.form)}")
    seen: set[int] = set()
    for answer in response.answers:
        place = f"answer to screen {answer.screen}"
        if not 0 <= answer.screen < len(form.screens):
            refuse(f"{place}: form {form.name} has screens 0 to {len(form.screens) - 1}")
        if answer.screen in seen:
            refuse(f"{place}: there are two")
        seen.add(answer.screen)
        asked = () if form.screens[answer.screen].rated is None else QUESTIONS
        if set(answer.ratings) != set(asked):
            refuse(f"{place}: ratings of {quoted(', '.join(answer.ratings))}, not of {', '.join(asked) or 'nothing'}")
        if any(not 1 <= rating <= 5 for rating in answer.ratings.values()):
            refuse(f"{place}: a rating is not from 1 to 5")
        if not 0 <= answer.seconds <= 7 * _DAY:
            refuse(f"{place}: {answer.seconds:g} are no seconds that it can have taken")
