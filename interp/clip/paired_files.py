"""Pairs of files for one object: a .safetensors file with tensors, and a .json file with everything else.

Both files have the same name except for the suffix. The .json file holds checksums of both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from typing_extensions import TypedDict

from interp.clip.tensors import Tensor
from interp.errors import UserError, quoted
from interp.runs.content import Record, is_intact, parse, sealed
from interp.runs.files import read_bytes, write_atomic

_Thing = TypeVar("_Thing")


class _Kind(TypedDict):
    kind: str


@dataclass(frozen=True)
class PairedFiles(Generic[Record]):
    """Format of the two files for one kind of object.

    Attributes:
        kind: noun for the object, which its .json file holds.
        record: fields of the .json file.
        sums: function from tensors to their checksums, by the fields of the .json file that hold the checksums.
        error: class of the errors of files that hold no object of this kind.
    """

    kind: str
    record: Callable[..., Record]
    sums: Callable[[Mapping[str, Tensor]], Mapping[str, str]]
    error: type[UserError]

    def write(self, path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Write both files.

        Args:
            path: the .safetensors file.
            about: content of the .json file, except the kind and the checksums.
        """
        from safetensors.torch import save

        whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
        write_atomic(path, save(whole))
        write_atomic(path.with_suffix(".json"), sealed({"kind": self.kind, **about, **self.sums(whole)}))

    def read(
        self, path: Path, make: Callable[[dict[str, Tensor], Record], _Thing], text: bytes | None = None
    ) -> _Thing:
        """Read both files, and return the object that they hold.

        Args:
            path: the .safetensors file.
            make: function from the tensors and the content of the .json file to the object.
            text: content of the .json file, if it has been read.

        Raises:
            UserError: an error of class `error`. A file is missing, damaged or changed after it was saved, or it holds
                something else.
        """
        from safetensors.torch import load

        record_path, remedy = path.with_suffix(".json"), f"save the {self.kind} again"
        try:
            data, text = read_bytes(path), read_bytes(record_path) if text is None else text
            if data is None or text is None:
                missing = path if data is None else record_path
                raise self.error(
                    f"cannot read the {self.kind} '{path}': the file '{missing}' does not exist; put the .safetensors "
                    "file and the .json file of the same name into one folder"
                )
            tensors = load(data)
            if (kind := parse(text, _Kind, record_path, remedy)["kind"]) != self.kind:
                raise self.error(f"'{path}' holds an object of kind {quoted(kind)}, not '{self.kind}'")
            about: Any = parse(text, self.record, record_path, remedy)
            if not is_intact(text) or any(about[field] != checksum for field, checksum in self.sums(tensors).items()):
                raise self.error(
                    f"the {self.kind} '{path}' was changed after it was saved: its checksum does not match; {remedy}"
                )
            return make(tensors, about)
        except self.error:
            raise
        except UserError as error:
            raise self.error(str(error)) from error
        except Exception as error:
            raise self.error(f"cannot read the {self.kind} '{path}': {error}") from error
