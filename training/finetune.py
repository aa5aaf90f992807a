"""`python -m training.finetune`: teach a CLIP to prefer descriptions over captions."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from interp import cli
from interp.clip.names import check_named
from interp.data.contrast import DIRECTIONS, Contrast
from interp.data.options import check_world
from interp.errors import UserError
from interp.runs.ownership import is_own
from interp.runs.replay import Replay
from training.config import FinetuneConfig, check, preset
from training.trackers import FILES

PROG = "python -m training.finetune"
_LOGS = "logs"  # folder in the run folder
DESCRIPTION = """\
Fine-tune a CLIP to score the description of an image above its caption (Zur et al. 2024), with one of four objectives:
  * behavioral: the description must score higher than the caption;
  * iit-das: a caption with the subspace Z of a description must score higher than the unchanged caption, and a
    description with Z of a caption lower than the unchanged description; rotation and model are trained together;
  * joint: a weighted sum of both;
  * iit-das-calibrated: the sum of both, with further terms: a swap of Z between the kinds must change all scores by
    about the gap between descriptions and captions, a swap within a kind must change no score, and a neutral Z must
    leave no gap.
With --retain WEIGHT each objective gets a contrastive term: each text must find its own image in the batch, and each
image its own text.
The weights with the lowest loss on val are kept. Other commands accept the run folder as a model, for example
python -m interp.sweep --objective das --model RUN. A stopped run continues with --resume."""
EPILOG = """\
examples:
  python -m training.finetune --objective behavioral --out runs/behavioral
  python -m training.finetune --objective iit-das --layer 11 --size 64 --out runs/iit-das
      the embedded toy CLIP; trains for 12 to 22 seconds on two cores of an AMD EPYC
  python -m training.finetune --tuning edit --objective behavioral --out runs/edit
      in seconds: an edit changes the stream after one layer, and the weights are unchanged
  python -m training.finetune --objective behavioral --retain 1 --out runs/behavioral-retain
      behavioral training that loses less retrieval
  accelerate launch -m training.finetune --preset paper --data concadia:data/concadia --out runs/paper
      the authors' settings, on all GPUs that accelerate is configured for
  tensorboard --logdir runs
      curves of losses, preference accuracy and IIA
  python -m training.finetune --log-with tensorboard,wandb --out runs/iit-das
      the curves also in Weights & Biases, as a run iit-das of the project clip-descriptions (extra wandb; first
      wandb login, or WANDB_MODE=offline); after --resume they continue there in a new run with the same name
  python -m training.finetune --config runs/iit-das/manifest.json --seed 1 --out runs/iit-das-seed1
      the options of an earlier run, except for the seed

files in the run folder:
  adapter_model.safetensors   LoRA weights, as peft writes them; model.safetensors with --tuning full, and
                              edit.safetensors (for interp.Edit.load) with --tuning edit
  rotation.safetensors        the subspace, for interp.Rotation.load
  history.csv                 one line for each look at val
  manifest.json               arguments, versions, fingerprints of base and data, result"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status."""
    config = cli.parse(FinetuneConfig, PROG, DESCRIPTION, EPILOG, argv, preset, Replay("finetune", preset))
    again = "the same command with --resume continues from the last checkpoint"
    return cli.run(lambda: finetune(config), on_interrupt=lambda: again)


def finetune(config: FinetuneConfig) -> int:
    """Check all options, train, and print the result.

    Raises:
        UserError: an option cannot be satisfied; nothing has been written then.
    """
    check(config)
    check_world(config.model, config.data)
    check_named(config.model, config.tokenizer)  # before torch is loaded, which takes longer than this check
    import torch
    from accelerate import Accelerator

    from interp.cli.progress import Bar
    from interp.clip.devices import check_device
    from interp.clip.image_features import features_of_splits
    from interp.clip.loading import load_clip
    from interp.data import load_pairs
    from interp.data.pairs import without_intervals
    from interp.runs.folder import check_folder
    from training.finetune_run import check_site, tune
    from training.launching import launched
    from training.loop import total_steps
    from training.trackers import make_trackers

    if config.device is not None:
        check_device(config.device)
        if config.device.startswith("cuda:"):
            torch.cuda.set_device(config.device)  # accelerate takes the current device
    out = Path(config.out or f"runs/{config.objective}-{config.tuning}-{cli.slug(config.model)}-seed{config.seed}")
    check_folder(out)
    logs = out / _LOGS
    trackers = make_trackers(config.log_with, logs)
    try:
        with launched(config.mixed_precision) as launch_notes:
            print("".join(f"note: {note}\n" for note in launch_notes), end="", flush=True)
            accelerator = Accelerator(
                cpu=config.device == "cpu", mixed_precision=config.mixed_precision, log_with=trackers, project_dir=logs
            )
    except ValueError as error:  # fp16 without a GPU, or a precision other than the first precision of this process
        raise UserError(f"accelerate cannot start: {error}; choose another --mixed-precision") from error
    pairs = load_pairs(config.data, kinds=config.kinds, split=config.split, limit=config.limit)
    # with several processes on a CPU, accelerate numbers the device, which all of them share
    device = "cpu" if accelerator.device.type == "cpu" else str(accelerator.device)
    clip = load_clip(config.model, tokenizer=config.tokenizer, device=device, trust=config.trust_run)
    check_site(config, clip)
    quiet = None if accelerator.is_main_process else True
    with accelerator.main_process_first():  # the other processes find the features in the cache
        features = features_of_splits(clip, pairs, skip_bad=config.skip_bad_images, quiet=quiet)
    notes = [*clip.notes, *pairs.notes, *features.notes, *without_intervals(features.pairs, "test")]
    if accelerator.is_main_process:
        print("".join(f"note: {note}\n" for note in notes), end="")
    pairs_of_train = len(features.rows("train"))
    steps = total_steps(config, pairs_of_train)
    if accelerator.is_main_process:
        most = "" if config.patience is None else "at most "
        print(f"{most}{steps:,} steps on {pairs_of_train:,} train pairs; the run folder is {out}", flush=True)
    with Bar(total=steps, desc=config.objective, unit="step", disable=quiet) as bar:

        def show(step: int, loss: float) -> None:
            if math.isfinite(loss):  # there is no loss before the first step
                bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update(step - bar.n)

        command = cli.command_line(PROG, config)
        result = tune(config, clip, features, out, accelerator, on_step=show, notes=notes, command=command)
    if accelerator.is_main_process:
        print(_summary(result, pairs.contrast, config, out))
    return 0


def _summary(result: Mapping[str, Any], contrast: Contrast, config: FinetuneConfig, out: Path) -> str:
    parts = [f"preference {100 * result['preference']:.1f} %"]
    keys = {contrast.arrow(direction): f"iia_{contrast.short(direction)}" for direction in DIRECTIONS}
    if result.keys() >= set(keys.values()):
        parts.append(f"IIA {' and '.join(f'{100 * result[key]:.1f} % ({arrow})' for arrow, key in keys.items())}")
    given = {name: getattr(config, name) for name in ("data", "kinds", "split")}
    words = [word for name, value in given.items() if value not in (None, "toy") for word in (f"--{name}", value)]
    data_options = f" {shlex.join(words)}" if words else ""
    named = {"data": config.data}
    named |= {} if config.tuning == "full" else {"model": config.model, "tokenizer": config.tokenizer or "toy"}
    trust = "" if all(name == "toy" or is_own(out, option, name) for option, name in named.items()) else " --trust-run"
    drawn = f"; or: tensorboard --logdir {out}" if FILES in config.log_with else ""
    return cli.spelled(
        f"kept the weights of step {result['kept_step']} of {result['steps']}: on val {', '.join(parts)}\n\n"
        f"look at  {out / 'history.csv'}: losses, preference and IIA{drawn}\n"
        f"go on    python -m training.evaluate --model {out}{trust}\n"
        f"         python -m interp.sweep --objective das --model {out}{data_options}{trust}"
    )


if __name__ == "__main__":
    sys.exit(main())
