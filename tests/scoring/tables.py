"""Table of a practitioner: alt texts of many kinds of pictures, with the faults of real tables."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pandas as pd
from PIL import Image, ImageDraw

LONG = " ".join(f"word{number}" for number in range(300))
# file name in the table, and its text
ROWS = [
    ("rot.jpg", "Ein rotes Quadrat"),
    ("Müll am Straßenrand.png", "Ein schwarzer Ring, sonst nichts"),
    ("unter\\ordner\\blau.jpg", "Eine blaue Fläche – ganz ruhig"),
    ("fehlt.jpg", "Ein Bild, das fehlt"),
    ("ROT.JPG", "Ein Bild in anderer Schreibung"),
    ("schmuck.png", ""),
    ("handy.heic", "Ein grünes Feld; und noch ein Satz, mit Komma"),
    ("druck.jpg", LONG),
    ("https://example.org/a.jpg", "Ein Bild im Netz"),
    ("kaputt.jpg", "Ein kaputtes Bild"),
    ("unter/ordner/blau.jpg", "ein rotes  quadrat"),
    ("rot.jpg", "\u200fמגדלור אדום ליד הים"),
    ("rot.jpg", "🎉 Party 🎉"),
]
MISSING, UNREADABLE, DECORATIVE = (5, 6, 10), (11,), (7,)  # row numbers of a spreadsheet


def make_pictures(folder: Path) -> None:
    """Draw the pictures of the table; one file name has the decomposed form that macOS writes."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    (folder / "unter" / "ordner").mkdir(parents=True)
    Image.new("RGB", (80, 60), "red").save(folder / "rot.jpg")
    ring = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    ImageDraw.Draw(ring).ellipse((8, 8, 56, 56), outline="black", width=6)
    ring.save(folder / unicodedata.normalize("NFD", "Müll am Straßenrand.png"))
    Image.new("RGB", (60, 80), "blue").save(folder / "unter" / "ordner" / "blau.jpg")
    Image.new("L", (9, 9)).save(folder / "schmuck.png")
    Image.new("RGB", (64, 64), "green").save(folder / "handy.heic", format="HEIF")
    Image.new("CMYK", (64, 64), (0, 200, 0, 0)).save(folder / "druck.jpg")
    (folder / "kaputt.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")


def write_table(folder: Path, suffix: str) -> Path:
    """Write the table as a spreadsheet, or as CSV in Windows-1252 without the rows in emoji and Hebrew."""
    path = folder / f"alt texte.{suffix}"
    frame = pd.DataFrame(ROWS, columns=["Dateiname", "Alternativtext"]).assign(Seite=range(len(ROWS)))
    if suffix == "csv":
        western = frame[[len(text.encode("cp1252", "ignore")) == len(text) for text in frame["Alternativtext"]]]
        western.to_csv(path, sep=";", index=False, encoding="cp1252")
    else:
        frame.to_excel(path, index=False)
    return path
