"""LRNSpec: the definition of LRN as a value."""

from __future__ import annotations

import math
from dataclasses import dataclass

from localnorm.conversion import From, To, real, whole
from localnorm.errors import SpecError


@dataclass(frozen=True, slots=True)
class LRNSpec:
    """One local response normalization: ``y_c = x_c / (k + alpha * sum_{j in W(c)} x_j^2)^beta``.

    The window ``W(c)`` is ``[c - lo, c + hi]`` cut at the borders, and alpha multiplies the sum of
    squares; it is divided by nothing. Across channels (``spatial=0``, the usual LRN) c counts channels. Within
    a channel (``spatial=2``, say) the window is a box that reaches as far along each of the last `spatial`
    axes other than the channel axis, and each channel is normalized by itself.

    Every framework's own parameters are a constructor ``from_<framework>`` and a method ``to_<framework>``, for
    each row of `localnorm.frameworks`. A round trip through them is exact for every alpha of up to 15 significant
    digits; a longer one may come back changed by one unit in its last place where alpha is divided, because no
    float may exist that divides to it.

    Args:
        lo: channels below c in the window, at least 0.
        hi: channels above c in the window, at least 0.
        alpha: factor of the sum of squares, finite, at least 0.
        beta: the exponent, finite.
        k: the constant, finite, at least 0, and more than 0 where alpha is 0.
        spatial: spatial axes that the window spans in place of the channel axis, at least 0; default 0.

    Raises:
        SpecError: a value breaks one of these rules (a ValueError).

    Source: Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural
    Networks", NIPS 2012, section 3.3.

    Example:
        >>> spec = LRNSpec.from_torch(size=5, alpha=1e-4, beta=0.75, k=1.0)
        >>> spec
        LRNSpec(lo=2, hi=2, alpha=2e-05, beta=0.75, k=1.0)
        >>> spec.to_tensorflow()
        {'depth_radius': 2, 'bias': 1.0, 'alpha': 2e-05, 'beta': 0.75}
    """

    lo: int
    hi: int
    alpha: float
    beta: float
    k: float
    spatial: int = 0

    def __post_init__(self) -> None:
        checked = {
            "lo": whole("lo", self.lo, 0),
            "hi": whole("hi", self.hi, 0),
            "alpha": real("alpha", self.alpha, 0.0),
            "beta": real("beta", self.beta),
            "k": real("k", self.k, 0.0),
            "spatial": whole("spatial", self.spatial, 0),
        }
        if checked["alpha"] == 0 and checked["k"] == 0:
            raise SpecError("k must be more than 0 where alpha is 0, got k=0: the output would be 0/0; pass k=1.")
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def size(self) -> int:
        """The extent of a window that no border cuts, along each of its axes: ``lo + hi + 1``."""
        return self.lo + self.hi + 1

    @property
    def count(self) -> int:
        """The number of elements in such a window: ``size``, or ``size ** spatial`` within a channel."""
        return math.prod([self.size] * max(self.spatial, 1))

    def __repr__(self) -> str:
        """Return the constructor call; `spatial` appears where it is not 0."""
        shown = f"lo={self.lo}, hi={self.hi}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
        return f"LRNSpec({shown}{f', spatial={self.spatial}' if self.spatial else ''})"

    from_paper = From("paper")
    to_paper = To("paper")
    from_torch = From("torch")
    to_torch = To("torch")
    from_tensorflow = From("tensorflow")
    to_tensorflow = To("tensorflow")
    from_caffe = From("caffe")
    to_caffe = To("caffe")
    from_onnx = From("onnx")
    to_onnx = To("onnx")
    from_cudnn = From("cudnn")
    to_cudnn = To("cudnn")
    from_cuda_convnet2 = From("cuda_convnet2")
    to_cuda_convnet2 = To("cuda_convnet2")
    from_tflite = From("tflite")
    to_tflite = To("tflite")
    from_torch_cross_map = From("torch_cross_map")
    to_torch_cross_map = To("torch_cross_map")
    from_onnxruntime = From("onnxruntime")
    to_onnxruntime = To("onnxruntime")
    from_onednn = From("onednn")
    to_onednn = To("onednn")
    from_openvino = From("openvino")
    to_openvino = To("openvino")
    from_mxnet = From("mxnet")
    to_mxnet = To("mxnet")
    from_paddle_fluid = From("paddle_fluid")
    to_paddle_fluid = To("paddle_fluid")
    from_paddle = From("paddle")
    to_paddle = To("paddle")
    from_coreml = From("coreml")
    to_coreml = To("coreml")
    from_ncnn = From("ncnn")
    to_ncnn = To("ncnn")
    from_opencv = From("opencv")
    to_opencv = To("opencv")
    from_tensorrt = From("tensorrt")
    to_tensorrt = To("tensorrt")
    from_lasagne = From("lasagne")
    to_lasagne = To("lasagne")
    from_torch7 = From("torch7")
    to_torch7 = To("torch7")
    from_matconvnet = From("matconvnet")
    to_matconvnet = To("matconvnet")
    from_miopen = From("miopen")
    to_miopen = To("miopen")
    from_chainer = From("chainer")
    to_chainer = To("chainer")
