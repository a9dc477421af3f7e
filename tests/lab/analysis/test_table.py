"""The table: complete without a record, the same in whatever order they come."""

from __future__ import annotations

import json

from localnorm.lab.analysis.table import make_table
from localnorm.lab.measures import MEASURES
from localnorm.lab.records.record import Trial
from made_records import STUDY, Fate, Run, measured_in, part_of, records


def test_the_table_of_no_records_is_all_there_and_says_so():
    table = make_table(STUDY, [])
    assert [row.row.name for row in table.rows] == [
        measure.name for measure in MEASURES if measured_in(measure, STUDY)[0]
    ]
    for row in table.rows:
        assert [cell.norm for cell in row.cells] == list(STUDY.norms)
        for cell in row.cells:
            assert (cell.measured, cell.estimate, cell.pairs) == ("not run yet", None, 0)
            assert cell.verdict == (None if cell.norm == "none" else "undecided")
    assert json.loads(table.to_json())["record_version"] == 3


def test_the_order_of_the_records_does_not_matter():
    # All settings drawn are best on validation data, and each has its own test error.
    def fate(t: Trial) -> Fate:
        return Run(test=1e3 * t.learning_rate, validation=10.0 if part_of(STUDY, t) == "draw" else 11.0)

    made = records(STUDY, fate)
    assert make_table(STUDY, made) == make_table(STUDY, made[::-1])


def test_a_cell_shows_the_mean_and_its_interval():
    errors = dict(enumerate((1.0, 10.0, 11.0, 12.0, 13.0, 19.0)))
    table = make_table(STUDY, records(STUDY, lambda t: Run(test=errors.get(t.seed, 0.0))))
    cell = table.row("generalization").cell("local")
    assert (cell.estimate.value, cell.pairs, cell.seeds_done) == (11.0, 6, 6)
    assert (cell.claim, cell.judged_as) == ("improved", "lowers the error of none")
    assert cell.measured == f"11.00 [{cell.estimate.low:.2f}, {cell.estimate.high:.2f}]"
    assert 1.0 <= cell.estimate.low < 11.0 < cell.estimate.high <= 19.0
