"""The models of the lab: callables with a ``norm_layer`` argument, as in torchvision and timm."""
