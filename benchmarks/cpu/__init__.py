"""LRN on a CPU, beside every rival that is installed: ``python -m benchmarks.cpu``.

`case` is what is timed and `rivals` who, `contest` times them in turn, `parts` lists the contests, `results` is
the file they go into. `targets`, `tables` and `plots` read that file and nothing else.
"""
