"""All the jobs of a study, in the order in which they are best run."""

from __future__ import annotations

from collections.abc import Iterator

from localnorm.lab.norms import find_norm
from localnorm.lab.records import Job, Probe, Trial, key
from localnorm.lab.search import LogUniform, draw
from localnorm.lab.study import Study


def draw_trials(study: Study) -> Iterator[Trial]:
    """Every norm, seed and draw on the digits: a learning rate and the norm's own hyperparameters.

    The learning rates of a seed are the same for every norm, so what a norm loses beyond `none` is due to
    its own hyperparameters.
    """
    rates = LogUniform(min(study.learning_rates), max(study.learning_rates))
    for norm in study.norms:
        for seed in study.seeds:
            for number in range(study.draws):
                ((_, rate),) = draw({"learning_rate": rates}, seed, number)
                settings = draw(find_norm(norm).space, norm, seed, number)
                yield Trial("digits", "textbook_cnn", norm, seed, rate, study.batch_size, study.epochs, settings)


def jobs(study: Study) -> list[Job]:
    """Return the study's jobs, each once: the probe of cost first, then the trials, longest first.

    Raises:
        UnknownNameError: a norm of the study that does not exist.

    Example:
        >>> jobs(Study())[0].name
        'cost'
    """
    trials: list[Trial] = [
        *study.grid_trials(),
        *draw_trials(study),
        *study.row_trials(),
        *study.batch_trials(),
    ]
    # Steps decide how long a trial takes; the longest first lets all workers end together.
    trials.sort(key=lambda trial: -trial.epochs / trial.batch_size)
    everything: list[Job] = [*study.probes(), *trials]
    return list({key(job): job for job in everything}.values())


def runs_alone(job: Job) -> bool:
    """Whether nothing else may run beside the job: it measures time."""
    return isinstance(job, Probe) and job.name == "cost"
