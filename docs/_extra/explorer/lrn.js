// Local response normalization, its gradient, and what each framework's arguments mean. No DOM in this file.
"use strict";

/** Windows of the rules in localnorm/conventions.py: [channels below, channels above] for a size. */
const WINDOWS = {
  LOW: (n) => [Math.floor(n / 2), Math.floor((n - 1) / 2)],
  HIGH: (n) => [Math.floor((n - 1) / 2), Math.floor(n / 2)],
  WIDE: (n) => [Math.floor(n / 2), Math.floor(n / 2)],
  SHORT: (n) => [Math.floor((n - 1) / 2), Math.floor((n - 1) / 2)],
  ODD: (n) => [Math.floor(n / 2), Math.floor(n / 2)],
  RADIUS: (n) => [n, n],
  ALL: (n) => [n - 1, n - 1],
};

/** The number that a framework which takes a mean divides alpha by. */
const extent = (row, size) => (row.rule === "RADIUS" ? 2 * size + 1 : size);

/**
 * Forward pass over one row of channels.
 * spec: {lo, hi, alpha, beta, k}; returns {sums: sum of squares per window, s: k + alpha * sums, y}.
 */
function forward(x, spec) {
  const sums = x.map((_, c) => {
    let sum = 0;
    for (let j = Math.max(0, c - spec.lo); j <= Math.min(x.length - 1, c + spec.hi); j++) sum += x[j] * x[j];
    return sum;
  });
  const s = sums.map((sum) => spec.k + (spec.alpha ? spec.alpha * sum : 0));
  return {sums, s, y: x.map((value, c) => value * Math.pow(s[c], -spec.beta))};
}

/** Gradient of sum(grad * y) with respect to x. */
function gradient(x, grad, spec) {
  const {s} = forward(x, spec);
  const h = x.map((value, c) => grad[c] * value * Math.pow(s[c], -spec.beta - 1));
  return x.map((value, j) => {
    let sum = 0;
    // Channel j is in the windows of the channels from j - hi to j + lo.
    for (let c = Math.max(0, j - spec.hi); c <= Math.min(x.length - 1, j + spec.lo); c++) sum += h[c];
    return grad[j] * Math.pow(s[j], -spec.beta) - 2 * spec.alpha * spec.beta * value * sum;
  });
}

const bits = new DataView(new ArrayBuffer(8));

/** The next float64 above (step 1) or below (step -1) a positive number. */
function neighbour(value, step) {
  bits.setFloat64(0, value);
  bits.setBigInt64(0, bits.getBigInt64(0) + BigInt(step));
  return bits.getFloat64(0);
}

/** The number of at most 15 significant digits within one unit in the last place of value, else value. */
function asTyped(value) {
  const typed = Number(value.toPrecision(15));
  return Math.abs(typed - value) <= neighbour(value, 1) - value ? typed : value;
}

/** alpha / size, so that sumToMean gives back an alpha of up to 15 digits exactly. */
function meanToSum(alpha, size) {
  const quotient = alpha / size;
  const typed = asTyped(quotient);
  return sumToMean(typed, size) === alpha ? typed : quotient;
}

/** alpha * size; of the neighbouring floats the one that divides back. */
function sumToMean(alpha, size) {
  const product = alpha * size;
  if (product === 0) return 0;
  const near = [asTyped(product), product, neighbour(product, 1), neighbour(product, -1)];
  const exact = near.find((value) => value / size === alpha);
  return exact === undefined ? product : exact;
}

/** Why a framework does not take these numbers, "" if it does. values: {size, alpha, beta, k} as it means them. */
function refusal(row, values) {
  const {size, ...numbers} = values;
  for (const [role, value] of Object.entries(row.fixed)) {
    if (numbers[role] !== value) return `${row.name} always has ${role} = ${value}`;
  }
  for (const [role, [least, most]] of Object.entries(row.bounds)) {
    if (values[role] < least || (most !== null && values[role] > most)) {
      return `${row.name} takes ${row.names[role]} ${most === null ? `of at least ${least}` : `from ${least} to ${most}`}`;
    }
  }
  if (row.rule === "ODD" && size % 2 === 0) return `${row.name} takes odd sizes${row.even ? `: ${row.even}` : ""}`;
  return "";
}

/** What a framework means by its numbers: {lo, hi, alpha, beta, k}, where alpha multiplies the sum. */
function specOf(row, values) {
  const [lo, hi] = WINDOWS[row.rule](values.size);
  const alpha = row.divides ? meanToSum(values.alpha, extent(row, values.size)) : values.alpha;
  return {lo, hi, alpha, beta: values.beta, k: values.k};
}

/** A framework's numbers {size, alpha, beta, k} for a spec, null if it lacks the window or the values. */
function valuesOf(row, spec) {
  const size = [spec.lo + spec.hi + 1, spec.lo, spec.lo + 1].find((n) => {
    const [lo, hi] = WINDOWS[row.rule](n);
    return lo === spec.lo && hi === spec.hi;
  });
  if (size === undefined) return null;
  const alpha = row.divides ? sumToMean(spec.alpha, extent(row, size)) : spec.alpha;
  const values = {size, alpha, beta: spec.beta, k: spec.k};
  return refusal(row, values) || !Number.isFinite(alpha) ? null : values;
}

/** A number as Python prints a float. */
function asFloat(value) {
  if (value === 0) return "0.0";
  const [digits, exponent] = value.toExponential().split("e");
  const power = Number(exponent);
  if (power < -4 || power >= 16) return `${digits}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

/** The line of code of a framework for its numbers. */
function codeOf(row, values) {
  const shown = {size: row.extents ? `[1, ${values.size}, 1, 1]` : String(values.size)};
  for (const role of ["alpha", "beta", "k"]) shown[role] = asFloat(values[role]);
  const texts = {...row.constants};
  for (const [role, name] of Object.entries(row.names)) texts[name] = shown[role];
  const pairs = row.listed.map((name) => `${name}=${texts[name]}`).join(", ");
  return row.call.replace(/\{\{|\}\}|\{(\w*)\}/g, (match, name) =>
    match === "{{" ? "{" : match === "}}" ? "}" : name ? texts[name] : pairs);
}
