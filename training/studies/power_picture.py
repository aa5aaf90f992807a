"""Picture of power: share of simulated studies that find a difference, by number of participants. No torch."""

from __future__ import annotations

from collections.abc import Sequence

from interp.drawing.colours import COLOURS
from interp.drawing.pictures import Picture
from training.studies.power import PREFERENCE, Power

_MARKERS = "osD^vP"


def draw(powers: Sequence[Power]) -> Picture:
    """Draw a panel for each number of items, with a line and simulation intervals for each difference."""
    items = sorted({power.design.items for power in powers})
    sizes = list(dict.fromkeys((power.measure, power.size) for power in powers))
    picture = Picture(2.2 + 2.2 * len(items), 3.6, layout="constrained")
    panels = picture.subplots(1, len(items), sharey=True, squeeze=False)[0]
    for panel, count in zip(panels, items, strict=True):
        for number, (measure, size) in enumerate(sizes):
            line = [
                power
                for power in powers
                if power.design.items == count and (power.measure, power.size) == (measure, size)
            ]
            if not line:
                continue
            x = [power.design.people for power in line]
            y = [100 * power.share for power in line]
            reach = [
                [100 * (power.share - power.low) for power in line],
                [100 * (power.high - power.share) for power in line],
            ]
            label = f"preference {100 * size:g} %" if measure == PREFERENCE else f"correlations differ by {size:g}"
            style = "-" if measure == PREFERENCE else "--"
            mark = _MARKERS[number % len(_MARKERS)]
            colour = COLOURS[number % len(COLOURS)]
            panel.errorbar(x, y, yerr=reach, linestyle=style, marker=mark, color=colour, capsize=2, label=label)
        panel.axhline(80, color="0.6", linewidth=1, linestyle=":")
        panel.set_title(f"{count} pairs of texts", fontsize=10)
        panel.set_xlabel("participants")
        panel.set_xticks(sorted({power.design.people for power in powers}))
        panel.set_ylim(-3, 103)
    panels[0].set_ylabel("studies that find the difference, %")
    handles = {
        label: handle for panel in panels for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    picture.legend(handles.values(), handles.keys(), loc="outside right upper", fontsize=9, frameon=False)
    picture.alt = "Share of simulated studies that find a difference. " + " ".join(
        f"{power.design.people} people, {power.design.items} pairs, {power.measure} {power.size:g}: "
        f"{100 * power.share:.0f} %."
        for power in powers
    )
    return picture
