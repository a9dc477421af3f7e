"""The same digits as a sequence: eight rows of eight pixels, read by a recurrent network."""

from __future__ import annotations

from localnorm.lab.models.recurrent import Recurrent
from localnorm.lab.schedule import Schedule
from localnorm.lab.tasks import digits
from localnorm.lab.tasks.objective import classification
from localnorm.lab.tasks.task import Part, Split, Task


def load(seed: int) -> Split:
    """Return sequences of shape (N, 8, 8): samples, rows, pixels of a row."""
    images = digits.load(seed)
    parts = (images.train, images.validation, images.test)
    return Split(*(Part(part.inputs.squeeze(1), part.labels) for part in parts))


DIGIT_ROWS = Task(
    name="digit-rows",
    about="the same digits and splits, read row by row in 8 steps of 8 pixels, the norm inside the cell",
    model="recurrent",
    dims=0,
    # Recurrent networks of this size differ more from seed to seed than those for images.
    objective=classification(10, smallest_effect=1.0),
    load=load,
    build=Recurrent,
    kind="recurrent",
    schedule=Schedule(learning_rates=(3e-4, 3e-3, 3e-2), epochs=8),
)
