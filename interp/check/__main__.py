"""`python -m interp.check MODEL`: check that the fast paths are exact for a model, on a device, in a dtype."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from interp import cli
from interp.cli import argument, option
from interp.cli.options import DeviceOptions, ModelOptions
from interp.clip.names import check_named

PROG = "python -m interp.check"
DTYPES = ("float32", "float64", "bfloat16", "float16")
DESCRIPTION = """\
Check that the fast paths of this package give the results of transformers, for a model, on a device, in a dtype:
  * one batch, which every sweep also checks before it starts: a text swapped with itself changes no bit, an empty
    subspace gives the base, the whole stream gives the source, and counterfactuals equal those of a plain hook;
  * forward: embeddings of texts and images, compared with the model's own forward passes;
  * counterfactual: swaps at every layer of the text tower and some layers of the vision tower, in subspaces of
    several sizes, compared with a hook;
  * gradient: gradient of a search's loss through the cached engine, compared with autograd in float64;
  * attribution: attributions by each route, pulled back from one site and pushed forward to all layers, compared with
    gradients of whole forward passes in float64.
The error of an embedding or a stream is a distance, divided by the length of the vector. The error of an attribution
is divided by the largest attribution of the text. A tolerance is the error that rounding in the dtype can explain,
given the number of blocks. No tolerance is above 0.1."""
EPILOG = """\
examples:
  python -m interp.check toy
  python -m interp.check openai/clip-vit-base-patch32 --device cuda --dtype bfloat16
  python -m interp.check runs/iit-das

exit status: 0 if all comparisons agree, 1 if one fails, 2 for a model or a device that cannot be used"""


@dataclass(frozen=True, kw_only=True)
class CheckConfig(ModelOptions, DeviceOptions):
    """The check."""

    model: str = argument("'toy', a folder, a fine-tuned run, open_clip:ARCH/PATH, or a hub id", metavar="MODEL")
    dtype: str = option("float32", "dtype of weights and arithmetic", choices=DTYPES)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status."""
    config = cli.parse(CheckConfig, PROG, DESCRIPTION, EPILOG, argv)
    return cli.run(lambda: _check(config), on_interrupt=lambda: "nothing was written")


def _check(config: CheckConfig) -> int:
    check_named(config.model, config.tokenizer)  # before torch is loaded, which takes longer than this check
    import torch

    from interp.check.at_length import CHECKS, run_checks
    from interp.check.findings import table
    from interp.cli.progress import Bar
    from interp.clip.loading import load_clip

    dtype, trust = getattr(torch, config.dtype), config.trust_run
    clip = load_clip(config.model, tokenizer=config.tokenizer, device=config.device, dtype=dtype, trust=trust)
    print("".join(f"note: {note}\n" for note in clip.notes), end="")
    started = time.perf_counter()
    with Bar(total=len(CHECKS), unit="check") as bar:
        findings = run_checks(clip, bar.update)
    failed = [finding for finding in findings if not finding.ok]
    where = f"{config.model} on {config.device} in {config.dtype}"
    print(table(findings), end="\n\n")
    if not failed:
        print(f"{where}: all {len(findings)} agree ({time.perf_counter() - started:.1f} s)")
        return 0
    half = config.dtype in ("bfloat16", "float16")
    hint = "; if float32 passes, the dtype is too coarse for it" if half else ""
    print(f"{where}: {len(failed)} of {len(findings)} FAILED, the first is {failed[0].complaint}{hint}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
