"""Arguments of a call of tf.nn.lrn in the marshalled bytecode of a Lambda layer, parsed as data and never loaded.

Python's marshal can crash on crafted input and loads only its release's code, so the few parts that matter are
parsed here: constants, names and instructions of Python 2.7 and of 3.3 to 3.12. Only code that loads the input and
constants, calls one function and returns is understood.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

_DEEPEST = 20
_FUNCTIONS = ("lrn", "local_response_normalization")
_PARAMETERS = ("input", "depth_radius", "bias", "alpha", "beta", "name")

# The same numbers from 2.7 to 3.12, where an instruction exists.
_LOAD_CONST, _LOAD_FAST, _KW_NAMES, _RETURN, _RESUME = 100, 124, 172, 83, 151
_NAMES = {116, 106, 160, 136, 137}  # LOAD_GLOBAL, LOAD_ATTR, LOAD_METHOD, LOAD_DEREF before and from 3.11
_CALLS = {131, 141, 161, 171}  # CALL_FUNCTION, CALL_FUNCTION_KW, CALL_METHOD, CALL
_NO_EFFECT = {0, 2, _RESUME, 149, 166}  # CACHE, PUSH_NULL, RESUME, COPY_FREE_VARS, PRECALL


class _UnreadableError(Exception):
    """Bytecode of another form than is understood here."""


class _Code(NamedTuple):
    instructions: bytes
    constants: tuple[Any, ...]
    names: tuple[str, ...]


class LambdaCall(NamedTuple):
    """A Lambda layer that mentions LRN: the arguments of its call, None if the code is not understood."""

    arguments: dict[str, float] | None


def lambda_call(function: object, keyword_arguments: object = None) -> LambdaCall | None:
    """Return the call of tf.nn.lrn in a Lambda layer's ``function``, None if it doesn't mention LRN.

    Args:
        function: as Keras stores it: a name, a list of base64 text, defaults and closure, or Keras 3's dict.
        keyword_arguments: the layer's ``arguments``.

    Example:
        >>> lambda_call("my_lrn")
        LambdaCall(arguments=None)
        >>> lambda_call(["4wAAAA==", None, None]) is None
        True
    """
    if isinstance(function, Mapping):
        config = function.get("config")
        function = config.get("code") if isinstance(config, Mapping) else config
        if function is None:
            return None
        function = [function, config.get("defaults") if isinstance(config, Mapping) else None]
    if isinstance(function, str):
        function = [function]
    if not isinstance(function, list) or not function or not isinstance(function[0], str):
        return None
    data = _stored(function[0])
    if not any(name.encode() in data.lower() for name in (*_FUNCTIONS, "localresponse")):
        return None
    if keyword_arguments or (len(function) > 1 and function[1]):
        return LambdaCall(None)
    try:
        code = _Parser(data).code()
    except (_UnreadableError, struct.error, IndexError, UnicodeDecodeError):
        return LambdaCall(None)
    if not code.names or code.names[-1] not in _FUNCTIONS:
        # Only a file name mentions it, or the call is followed by others.
        return LambdaCall(None) if set(code.names) & set(_FUNCTIONS) else None
    return LambdaCall(_arguments(code))


def _stored(text: str) -> bytes:
    """Return code from its text, base64 or, before Keras 2.1, raw-unicode-escape; a name as it is."""
    for decode in (base64.b64decode, lambda text: text.encode("raw_unicode_escape")):
        try:
            data: bytes = decode(text)
        except ValueError:
            continue
        if len(data) > 12 and data[0] & 0x7F == ord("c"):
            return data
    return text.encode("utf-8", "replace")


def _arguments(code: _Code) -> dict[str, float] | None:
    """Return the arguments of the call, None if the code does anything else."""
    for step in (_words, _bytes):
        try:
            return _bound(_loads(step(code.instructions), code))
        except (_UnreadableError, IndexError):
            continue
    return None


def _words(code: bytes) -> list[tuple[int, int]]:
    """Return instructions of two bytes, as from Python 3.6 on."""
    return list(zip(code[::2], code[1::2], strict=False))


def _bytes(code: bytes) -> list[tuple[int, int]]:
    """Return instructions of one or three bytes, as up to Python 3.5."""
    steps, at = [], 0
    while at < len(code):
        long = code[at] >= 90
        steps.append((code[at], code[at + 1] + 256 * code[at + 2] if long else 0))
        at += 3 if long else 1
    return steps


def _loads(steps: list[tuple[int, int]], code: _Code) -> list[Any]:
    """Return what is loaded before the call, the input as Ellipsis."""
    values: list[Any] = []
    named = calls = 0
    for operation, argument in steps:
        if operation in (_LOAD_CONST, _KW_NAMES) and not calls:
            values.append(code.constants[argument])
        elif operation == _LOAD_FAST and argument == 0 and not calls:
            values.append(...)
        elif operation in _NAMES and not values:
            named += 1
        elif operation in _CALLS and not calls:
            calls += 1
        elif operation == _RETURN and calls:
            break
        elif operation not in _NO_EFFECT:
            raise _UnreadableError
    if calls != 1 or named < len(code.names):
        raise _UnreadableError
    return values


def _bound(values: list[Any]) -> dict[str, float]:
    """Return the values by parameter: positional ones first, then keywords in either of their two forms."""
    if values and isinstance(values[-1], tuple):  # from Python 3.6 on: a tuple of the keywords comes last
        keywords, values = values[-1], values[:-1]
        split = len(values) - len(keywords)
        pairs = list(zip(keywords, values[split:], strict=False))
        values = values[:split]
    else:  # before: each keyword precedes its value
        split = next((i for i, value in enumerate(values) if isinstance(value, str)), len(values))
        pairs = list(zip(values[split::2], values[split + 1 :: 2], strict=True)) if split < len(values) else []
        values = values[:split]
    pairs = [*zip(_PARAMETERS, values, strict=False), *pairs]
    bound = dict(pairs)
    numbers = {name: value for name, value in bound.items() if name not in ("input", "name")}
    if (
        len(bound) < len(pairs)
        or bound.get("input") is not ...
        or not bound.keys() <= set(_PARAMETERS)
        or not all(type(value) in (int, float) for value in numbers.values())
    ):
        raise _UnreadableError
    return numbers


class _Parser:
    """Reads marshal's format as far as the names of the outermost code object."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0
        self.references: list[Any] = []
        self.interned: list[bytes] = []

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.data):
            raise _UnreadableError
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, form: str) -> Any:  # noqa: ANN401  an int or a float
        return struct.unpack(f"<{form}", self.take(struct.calcsize(form)))[0]

    def code(self) -> _Code:
        """Return the code object that the data start with."""
        kind = self.take(1)[0]
        if kind & 0x7F != ord("c"):
            raise _UnreadableError
        if kind & 0x80:
            self.references.append(None)
        start, kept = self.at, list(self.references)
        for integers in (4, 5, 6):  # Python 2.7; 3.3 to 3.7 and from 3.11; 3.8 to 3.10
            self.at, self.references, self.interned = start + 4 * integers, list(kept), []
            try:
                parts = [self.value(0) for _ in range(3)]
            except (_UnreadableError, struct.error, UnicodeDecodeError):
                continue
            instructions, constants, names = parts
            if isinstance(instructions, bytes) and isinstance(constants, tuple) and isinstance(names, tuple):
                texts = tuple(name.decode() if isinstance(name, bytes) else str(name) for name in names)
                return _Code(instructions, tuple(map(_text, constants)), texts)
        raise _UnreadableError

    def value(self, depth: int) -> Any:  # noqa: ANN401  any constant
        if depth > _DEEPEST:
            raise _UnreadableError
        kind = self.take(1)[0]
        place = len(self.references)
        if kind & 0x80:
            self.references.append(None)
        name = chr(kind & 0x7F)
        if name in "()":
            count = self.number("i") if name == "(" else self.take(1)[0]
            if count < 0 or count > len(self.data):
                raise _UnreadableError
            result: Any = tuple(self.value(depth + 1) for _ in range(count))
        elif name in _READERS:
            result = _READERS[name](self)
        else:
            raise _UnreadableError
        if kind & 0x80:
            self.references[place] = result
        return result

    def reference(self, values: list[Any]) -> Any:  # noqa: ANN401
        place = self.number("i")
        if not 0 <= place < len(values):
            raise _UnreadableError
        return values[place]

    def intern(self) -> bytes:
        self.interned.append(self.take(self.number("i")))
        return self.interned[-1]


# Strings of Python 3 by the letter of marshal's format, None, and numbers.
_READERS: Mapping[str, Callable[[_Parser], Any]] = {
    "N": lambda _: None,
    "T": lambda _: True,
    "F": lambda _: False,
    "i": lambda p: p.number("i"),
    "g": lambda p: p.number("d"),
    "s": lambda p: p.take(p.number("i")),
    "t": _Parser.intern,
    "R": lambda p: p.reference(p.interned),
    "r": lambda p: p.reference(p.references),
    **dict.fromkeys("uaA", lambda p: p.take(p.number("i")).decode()),
    **dict.fromkeys("zZ", lambda p: p.take(p.take(1)[0]).decode()),
}


def _text(constant: Any) -> Any:  # noqa: ANN401
    """Return Python 2's byte strings as text."""
    return constant.decode("latin-1") if isinstance(constant, bytes) else constant
