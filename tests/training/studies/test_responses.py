"""Answer files that are damaged, doubled, mixed up or hostile: one line each, and no answer counts twice."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from training.studies.responses import read_responses
from training.studies.simulation import Readers, simulate

READERS = Readers("updated", 0.7)


@pytest.fixture
def answered(make_study, tmp_path: Path):
    study = make_study(people=8)
    responses = simulate(study, READERS, 0)
    for response in responses:
        response.save(tmp_path / "answers")
    return study, responses, tmp_path / "answers"


def problems_of(study, *paths: Path) -> list[str]:
    _, _, problems = read_responses([str(path) for path in paths], study)
    return problems


def spoiled(path: Path, change) -> Path:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


def test_what_the_page_saves_is_read_as_it_is(answered):
    study, responses, folder = answered
    kept, notes, problems = read_responses([str(folder)], study)
    assert (kept, notes, problems) == (sorted(responses, key=lambda each: each.code), [], [])


def test_text_that_was_copied_is_read_and_other_files_are_told_of(answered):
    study, responses, folder = answered
    name = f"answers-{responses[0].code}"
    (folder / f"{name}.json").rename(folder / f"{name}.txt")
    (folder / "letter.pdf").write_bytes(b"%PDF")
    (folder / ".hidden").write_bytes(b"")
    kept, notes, problems = read_responses([str(folder)], study)
    assert (len(kept), problems) == (8, [])
    (note,) = notes
    assert "letter.pdf" in note


def test_a_copy_is_counted_once_and_other_answers_by_the_same_person_are_refused(answered):
    study, responses, folder = answered
    code = responses[0].code
    copy = Path(shutil.copy(folder / f"answers-{code}.json", folder / f"answers-{code} (1).json"))
    kept, notes, problems = read_responses([str(folder), str(copy)], study)
    assert len(kept) == 8
    assert (len(notes), problems) == (1, [])
    spoiled(copy, lambda content: content["answers"][0].update(seconds=1.5))
    (problem,) = problems_of(study, folder)
    assert code in problem
    assert "(1)" in problem


def first(content):
    return content["answers"][0]


HARMS = {
    "another study": (lambda c: c.update(study="0" * 16), "0000000000000000"),
    "no such code": (lambda c: c.update(code="A1-ZZZZ"), "A1-ZZZZ"),
    "another form": (lambda c: c.update(form="A2" if c["form"] != "A2" else "A3"), "form"),
    "a screen that is not there": (lambda c: first(c).update(screen=99), "99"),
    "a screen before the first": (lambda c: first(c).update(screen=-1), "-1"),
    "a screen twice": (lambda c: c["answers"].append(first(c)), "two"),
    "no place": (lambda c: first(c).update(choice="third"), "third"),
    "a rating of 6": (lambda c: first(c)["ratings"].update(overall=6), "5"),
    "a rating of true": (lambda c: first(c)["ratings"].update(overall=True), "true"),
    "a rating missing": (lambda c: first(c)["ratings"].pop("overall"), "overall"),
    "a question more": (lambda c: first(c)["ratings"].update(beauty=3), "beauty"),
    "seconds below 0": (lambda c: first(c).update(seconds=-3), "-3"),
    "a year": (lambda c: first(c).update(seconds=3e7), "3e+07"),
    "huge": (lambda c: first(c).update(seconds=1e308), "1e+308"),
    "no answers": (lambda c: c.pop("answers"), "answers"),
    "text for a list": (lambda c: c.update(answers="all"), "all"),
}


@pytest.mark.parametrize("name", HARMS)
def test_a_file_that_does_not_fit_is_one_line(answered, name: str):
    study, responses, folder = answered
    change, quoted = HARMS[name]
    path = spoiled(folder / f"answers-{responses[0].code}.json", change)
    (problem,) = problems_of(study, folder)
    assert str(path) in problem
    assert quoted in problem
    assert "\n" not in problem


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null", b"PK\x03\x04", b'{"study": "' + b"a" * 2**21 + b'"}']
)
def test_a_file_that_is_no_json_of_ours_is_one_line(answered, data: bytes):
    study, _, folder = answered
    path = folder / "answers-A1-ZZZZ.json"
    path.write_bytes(data)
    (problem,) = problems_of(study, folder)
    assert str(path) in problem
    assert "\n" not in problem


def test_all_problems_are_told_at_once(answered):
    study, responses, folder = answered
    for response in responses[:3]:
        (folder / f"answers-{response.code}.json").write_text("{")
    assert len(problems_of(study, folder)) == 3


def test_simulated_answers_are_never_pooled_with_those_of_people(answered):
    study, responses, folder = answered
    replace(responses[0], simulated=False).save(folder)
    (problem,) = problems_of(study, folder)
    assert "simulated" in problem


def test_who_stops_early_is_counted_and_who_answers_nothing_is_left_out(answered):
    study, responses, folder = answered
    replace(responses[0], answers=responses[0].answers[:5]).save(folder)
    replace(responses[1], answers=()).save(folder)
    kept, notes, problems = read_responses([str(folder)], study)
    assert (len(kept), len(notes), problems) == (7, 2, [])
    assert any(responses[1].code in note for note in notes)
