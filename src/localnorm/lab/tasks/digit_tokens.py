"""The same digits for a transformer: eight tokens, each a row of eight pixels."""

from __future__ import annotations

from localnorm.lab.models.transformer import Transformer
from localnorm.lab.schedule import Schedule
from localnorm.lab.tasks import digit_rows
from localnorm.lab.tasks.objective import classification
from localnorm.lab.tasks.task import Task

EPOCHS, LEARNING_RATE, BATCH_SIZE = 12, 3e-3, 32
"""Enough for Adam to bring every norm far below guessing."""

DIGIT_TOKENS = Task(
    name="digit-tokens",
    about="the same digits and splits, each row a token of 8 pixels, the norm inside the block of a transformer",
    model="transformer",
    dims=0,
    objective=classification(10),
    load=digit_rows.load,
    build=Transformer,
    kind="transformer",
    schedule=Schedule(default_learning_rate=LEARNING_RATE, batch_size=BATCH_SIZE, epochs=EPOCHS),
)
