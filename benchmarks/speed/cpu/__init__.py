"""Time LRN on a CPU: localnorm and every baseline that is installed, with ``python -m benchmarks.speed.cpu``.

`case` describes a tensor and a normalization, `baselines` the implementations. `comparison` times them in turn,
`catalog` lists the comparisons, and `results` reads and writes the file of results, which is all that `targets`,
`tables` and `plots` read.
"""
