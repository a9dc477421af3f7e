"""LRN on a CUDA GPU, beside the rivals that run there: ``python -m benchmarks.gpu``.

Cases, contests, accuracy and the file of results are those of `benchmarks.cpu`; `parts` lists the contests,
`stems` the parts of networks that hold LRN.
"""
