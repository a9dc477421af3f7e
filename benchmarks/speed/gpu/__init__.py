"""Time LRN on a CUDA GPU next to the baselines that run there: ``python -m benchmarks.speed.gpu``.

Comparisons, accuracy and the file of results are those of `benchmarks.speed.cpu`. `cases` lists the comparisons;
`stems` times the first layers of networks.
"""
