"""Peak memory of a worker that trains on images beyond memory: ``python -m benchmarks.lab.streaming_memory``.

Writes 50,000 JPEG files of 224x224 pixels into a temporary folder, and trains on some of them in a process of its
own, as a worker of a study does.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

SIDE, CLASSES = 224, 10


def write_images(folder: Path, count: int) -> None:
    """Write random images, blurred so that their files are as small as photographs."""
    rng = np.random.default_rng(0)
    small = [Image.fromarray(rng.integers(0, 256, (28, 28, 3), np.uint8)) for _ in range(200)]
    blurred = [image.resize((SIDE, SIDE), Image.Resampling.BICUBIC) for image in small]
    for label in range(CLASSES):
        (folder / f"class{label}").mkdir()
    for number in range(count):
        blurred[number % 200].save(folder / f"class{number % CLASSES}" / f"{number:05}.jpg", quality=85)


def train(folder: str, steps: int, loaders: int) -> None:
    """Train for some steps and print speed and memory; the worker's part."""
    from localnorm.lab.records.record import Trial
    from localnorm.lab.tasks import find_task
    from localnorm.lab.training.trial import learn, set_up

    torch.set_num_threads(1)
    start = time.perf_counter()
    trial = Trial(f"data:{folder}?side={SIDE}", "small_cnn", "group", 0, 3e-3, 32, 1)
    task = find_task(trial.task, trial.model)
    train_part = task.load(0).train.with_loaders(loaders)
    fabric, model, optimizer, _ = set_up(task, trial)
    loaded = time.perf_counter() - start
    part = train_part.select(torch.arange(min(len(train_part), 32 * steps)))
    start = time.perf_counter()
    (loss,) = learn(fabric, model, optimizer, task, part, trial)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{len(train_part):,} images to train of {SIDE}x{SIDE}; ready after {loaded:.1f} s; {len(part)} images in "
        f"{seconds:.0f} s with {loaders} loaders; mean loss {loss:.2f}; peak memory of the worker {peak:,.0f} MiB"
    )


def main() -> None:
    """Write the images and train in a spawned process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--loaders", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder), options.images)
        process = multiprocessing.get_context("spawn").Process(
            target=train, args=(folder, options.steps, options.loaders)
        )
        process.start()
        process.join()


if __name__ == "__main__":
    main()
