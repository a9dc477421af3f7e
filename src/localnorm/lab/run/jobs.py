"""All the jobs of a study, in the order in which they are best run."""

from __future__ import annotations

from collections.abc import Iterator

from localnorm.lab.norms import find_norm
from localnorm.lab.records.record import Job, Probe, Trial, key
from localnorm.lab.study.search_space import LogUniform, draw
from localnorm.lab.study.study import Study, TaskStudy


def draw_trials(study: Study, task: TaskStudy) -> Iterator[Trial]:
    """Every norm, seed and draw on a task: a learning rate and the norm's own hyperparameters.

    The learning rates of a seed are the same for every norm, so what a norm loses beyond `none` is due to
    its own hyperparameters.
    """
    schedule = task.schedule
    rates = LogUniform(min(schedule.learning_rates), max(schedule.learning_rates))
    for norm in study.norms:
        space = find_norm(norm).space
        for seed in study.seeds:
            for number in range(schedule.draws):
                ((_, rate),) = draw({"learning_rate": rates}, seed, number)
                settings = draw(space, norm, seed, number)
                yield Trial(
                    task.name, task.model, norm, seed, rate, schedule.batch_size, schedule.epochs, settings
                )


def jobs(study: Study) -> list[Job]:
    """Return the study's jobs, each once: the probe of cost first, then the trials, longest first.

    Raises:
        UnknownNameError: a norm of the study that does not exist.

    Example:
        >>> from localnorm.lab.tasks import task_studies
        >>> jobs(Study(task_studies(["digit-rows"])))[0].name
        'cost'
    """
    trials: list[Trial] = []
    for task in study.tasks:
        trials += [*study.grid_trials(task), *draw_trials(study, task), *study.batch_trials(task)]
    # Steps decide how long a trial takes; the longest first lets all workers end together.
    trials.sort(key=lambda trial: -trial.epochs / trial.batch_size)
    everything: list[Job] = [*study.probes(), *trials]
    return list({key(job): job for job in everything}.values())


def runs_alone(job: Job) -> bool:
    """Whether nothing else may run beside the job: it measures time."""
    return isinstance(job, Probe) and job.name == "cost"
