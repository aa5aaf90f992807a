"""Ways to damage a file: its bytes, its type, or a value, a key or a cell in it."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from tests.run_folders import rewrite

MARKUP = "</td><script>alert(1)</script>"
TEXTS = (
    "",
    " ",
    MARKUP,
    "a\0b",
    "\ud800",
    "\u202eabc",
    "=1+1",
    "../../private",
    "/dev/zero",
    "\U0001f3f3\ufe0f" * 9,
    "x" * 300_000,
    "9" * 5000,
    "nan",
    "-",
    "a\r\nb",
    "<|endoftext|>",
    "{{ 7 * 7 }}",
    "%s %n",
    "a,b\"c'd",
)
SHELL_TEXTS = [text for text in TEXTS if "\0" not in text and "\ud800" not in text and len(text) < 10_000]
NUMBERS = (0, -1, 1, 2**31, 2**53 + 1, 10**400, 1e308, -1e308, 0.5, float("nan"), float("inf"), float("-inf"))
OTHERS = (None, True, False, [], {}, [[]], {"": None}, [None] * 3, {"a": {"b": {}}})


def spoil(path: Path, draw: Random) -> tuple[str, bool]:
    """Damage a file in a random way. Return the name of the damage, and whether the checksum fits the damaged file."""
    ways = [*BYTES, *KINDS_OF_ENTRY]
    if path.suffix == ".json":
        ways += [*IN_JSON] * 4
    elif path.suffix in (".csv", ".txt"):
        ways += [*IN_CSV] * 3
    elif path.suffix == ".safetensors":
        ways += [*IN_HEADER] * 3
    before = path.read_bytes()
    for _ in range(20):
        way = draw.choice(ways)
        try:
            sealed = way(path, draw)
        except (LookupError, TypeError, ValueError):  # the file has nothing to damage in this way
            continue
        if not path.is_file() or path.is_symlink() or path.read_bytes() != before:
            return way.__name__.strip("_").replace("_", " "), bool(sealed)
    path.write_bytes(b"")
    return "emptied", False


def _truncated(path: Path, draw: Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: draw.randrange(len(data))])


def _bytes_flipped(path: Path, draw: Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(draw.choice((1, 1, 3, 50))):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    path.write_bytes(data)


def _header_flipped(path: Path, draw: Random) -> None:
    data = bytearray(path.read_bytes())
    data[draw.randrange(min(len(data), 64))] = draw.randrange(256)
    path.write_bytes(data)


def _piece_lost(path: Path, draw: Random) -> None:
    data = path.read_bytes()
    at = draw.randrange(len(data))
    path.write_bytes(data[:at] + data[at + draw.randrange(1, 200) :])


def _doubled(path: Path, draw: Random) -> None:
    path.write_bytes(path.read_bytes() * 2)


def _emptied(path: Path, draw: Random) -> None:
    path.write_bytes(b"")


def _made_junk(path: Path, draw: Random) -> None:
    path.write_bytes(draw.randbytes(draw.choice((1, 8, 1000))))


def _in_utf_16(path: Path, draw: Random) -> None:
    path.write_bytes(path.read_text(encoding="utf-8").encode("utf-16"))


BYTES = (_truncated, _bytes_flipped, _header_flipped, _piece_lost, _doubled, _emptied, _made_junk, _in_utf_16)


def _removed(path: Path, draw: Random) -> bool:
    path.unlink()
    return True


def _made_folder(path: Path, draw: Random) -> None:
    path.unlink()
    path.mkdir()
    (path / "x").write_text("x")


def _made_pipe(path: Path, draw: Random) -> None:
    path.unlink()
    os.mkfifo(path)


def _made_link_out(path: Path, draw: Random) -> None:
    private = Path("../private").absolute() / path.name
    if not private.exists():
        private.parent.mkdir(exist_ok=True)
        shutil.copy(path, private)
    path.unlink()
    path.symlink_to(draw.choice((private, Path("/dev/zero"), Path("/nowhere"), path)))


KINDS_OF_ENTRY = (_removed, _made_folder, _made_pipe, _made_link_out)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from _paths(value[key], (*path, key))


def _change(path: Path, draw: Random, change: Callable[[Any, Any], None]) -> bool:
    """Change the container of a random value in a JSON file, and update the checksum in half of the cases."""
    content = json.loads(path.read_text(encoding="utf-8"))
    paths = [keys for keys in _paths(content) if keys[0] != "checksum"]
    deep = draw.choice(paths)
    shallow = draw.choice([keys for keys in paths if len(keys) <= 2])  # else long lists would hide other values
    *above, last = draw.choice((deep, shallow))
    holder = content
    for key in above:
        holder = holder[key]
    change(holder, last)
    if sealed := draw.random() < 0.5:
        rewrite(path, content)
    else:
        path.write_text(json.dumps(content))
    return sealed


def _value_replaced(path: Path, draw: Random) -> bool:
    value: Any = draw.choice((draw.choice(TEXTS), draw.choice(NUMBERS), draw.choice(OTHERS)))
    if draw.random() < 0.1:
        for _ in range(900):
            value = [value]

    def change(holder: Any, key: Any) -> None:
        holder[key] = value

    return _change(path, draw, change)


def _number_moved(path: Path, draw: Random) -> bool:
    def change(holder: Any, key: Any) -> None:
        holder[key] = holder[key] + draw.choice((1, -1, 0.25, 1e9))

    return _change(path, draw, change)


def _key_lost(path: Path, draw: Random) -> bool:
    return _change(path, draw, lambda holder, key: holder.__delitem__(key))


def _key_renamed(path: Path, draw: Random) -> bool:
    def change(holder: Any, key: Any) -> None:
        holder[draw.choice(TEXTS[:-3])] = holder.pop(key)

    return _change(path, draw, change)


def _key_twice(path: Path, draw: Random) -> bool:
    text = path.read_text(encoding="utf-8")
    name = draw.choice([key for key in json.loads(text) if key != "checksum"])
    path.write_text(text.rstrip()[:-1] + f", {json.dumps(name)}: {draw.choice(('null', '[]', '1e999'))}}}")
    return False


def _whole_replaced(path: Path, draw: Random) -> bool:
    deep = "[" * 100_000
    path.write_text(
        draw.choice(
            ("null", "[]", "{}", "1", '""', "NaN", "[1e999]", '{"settings": {}}', deep, deep.replace("[", '{"a":'))
        )
    )
    return False


IN_JSON = (_value_replaced, _value_replaced, _number_moved, _key_lost, _key_renamed, _key_twice, _whole_replaced)


def _rows(path: Path, draw: Random, change: Callable[[list[list[str]]], None]) -> None:
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    change(rows)
    with path.open("w", newline="", encoding="utf-8", errors="surrogatepass") as file:
        csv.writer(file, escapechar="\\").writerows(rows)


def _cell_replaced(path: Path, draw: Random) -> None:
    def change(rows: list[list[str]]) -> None:
        row = draw.choice(rows)
        row[draw.randrange(len(row))] = str(draw.choice((draw.choice(TEXTS), draw.choice(NUMBERS[:5]), "null")))

    _rows(path, draw, change)


def _column_renamed(path: Path, draw: Random) -> None:
    def change(rows: list[list[str]]) -> None:
        rows[0][draw.randrange(len(rows[0]))] = draw.choice((*rows[0], *TEXTS))

    _rows(path, draw, change)


def _cell_lost(path: Path, draw: Random) -> None:
    _rows(path, draw, lambda rows: draw.choice(rows).pop())


def _row_twice(path: Path, draw: Random) -> None:
    _rows(path, draw, lambda rows: rows.append(list(draw.choice(rows))))


def _rows_lost(path: Path, draw: Random) -> None:
    def change(rows: list[list[str]]) -> None:
        del rows[draw.choice((1, 2, len(rows) // 2)) :]

    _rows(path, draw, change)


def _quotes_damaged(path: Path, draw: Random) -> None:
    text = path.read_text(encoding="utf-8")
    at = draw.randrange(len(text))
    path.write_text(text[:at] + draw.choice('",;\t\r') + text[at:])


IN_CSV = (_cell_replaced, _cell_replaced, _column_renamed, _cell_lost, _row_twice, _rows_lost, _quotes_damaged)


def _header_changed(path: Path, draw: Random) -> None:
    """Change the JSON header of a safetensors file, which holds shapes, dtypes, offsets and names."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    deep = draw.choice(list(_paths(header)))
    holder = header
    for key in deep[:-1]:
        holder = holder[key]
    if draw.random() < 0.3:
        del holder[deep[-1]]
    else:
        holder[deep[-1]] = draw.choice((*TEXTS[:4], *NUMBERS[:6], *OTHERS, "F64", "BF16", [1, 1], [2**40, 2**40]))
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])


def _numbers_replaced(path: Path, draw: Random) -> None:
    """Replace numbers of a safetensors file by NaN, infinity, zero or noise."""
    data = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    at = start + draw.randrange(0, len(data) - start, 4)
    n = draw.choice((4, 4000))
    data[at : at + n] = (draw.choice((b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\0\0\0\0", draw.randbytes(4))) * 1000)[
        : len(data[at : at + n])
    ]
    path.write_bytes(data)


def _header_long(path: Path, draw: Random) -> None:
    data = path.read_bytes()
    path.write_bytes(draw.choice((0, 1, 2**40, 2**63, len(data))).to_bytes(8, "little") + data[8:])


IN_HEADER = (_header_changed, _header_changed, _numbers_replaced, _header_long)
