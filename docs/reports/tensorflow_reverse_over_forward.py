"""The derivative of a forward-mode tangent is lost if the function is a tf.function.

d/dx of the tangent 2 x v of x ** 2 is 2 v. Without @tf.function the result is right; with it, the result is
None, and wrong numbers result where other terms have a derivative.
"""

import tensorflow as tf

x, v = tf.constant([3.0, 4.0]), tf.constant([1.0, 10.0])


@tf.function
def square(x):
    return x * x


with tf.GradientTape() as tape:
    tape.watch(x)
    with tf.autodiff.ForwardAccumulator(x, v) as accumulator:
        y = square(x)
    tangent = accumulator.jvp(y)
gradient = tape.gradient(tangent, x)

print("tensorflow", tf.__version__)
print("expected", (2 * v).numpy().tolist())
print("got     ", None if gradient is None else gradient.numpy().tolist())
