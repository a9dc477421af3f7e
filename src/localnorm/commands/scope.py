"""localnorm scope: draw the inputs that one output of a norm depends on."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from localnorm.commands.console import errors_end_the_command, out
from localnorm.lab.plugins import current_folder_on_path
from localnorm.lab.study.registry import check_names


def scope(
    norm: Annotated[str, typer.Argument(help="A norm of the lab, or package.module:attribute.")],
) -> None:
    """Draw the inputs that one output of a norm depends on, measured in float64."""
    with errors_end_the_command(), current_folder_on_path():
        check_names(norms=(norm,))
        # Imported here: a misspelt name does not wait for torch.
        from localnorm.lab.norms import find_norm
        from localnorm.lab.probes.scope import OUTPUT, SHAPE, probe_scope

        found = find_norm(norm)
        reach = probe_scope([found])[norm]
    samples, channels, height, width = SHAPE
    out.print(Text(f"{norm}: {reach['reach']} (divides by {found.about})"), soft_wrap=True)
    out.print(
        f"one output of {samples} x {channels} x {height} x {width} reaches "
        f"{reach['samples']} of {samples} samples, {reach['channels']} of {channels} channels, "
        f"{reach['positions']} of {height * width} positions",
        highlight=False,
        soft_wrap=True,
    )
    out.print("rows: channels; columns: positions; O the output, # reached, . not reached", highlight=False)
    out.print("    ".join(f"{f'sample {i}':<{height * width}}" for i in range(samples)), highlight=False)
    position = OUTPUT[2] * width + OUTPUT[3]
    for channel in range(channels):
        lines = []
        for sample in range(samples):
            line = reach["mask"][sample * channels + channel].replace("1", "#").replace("0", ".")
            if (sample, channel) == OUTPUT[:2]:
                line = line[:position] + "O" + line[position + 1 :]
            lines.append(line)
        out.print(Text("    ".join(lines)), soft_wrap=True)
