"""The GPU kernel: LRN and its gradients in Triton."""
