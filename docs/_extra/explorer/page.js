// The page: reads the controls, computes both readings, draws charts, differences and code.
"use strict";

const LIMIT = 10;
const byId = (id) => document.getElementById(id);
const rowNamed = Object.fromEntries(CONVENTIONS.map((row) => [row.name, row]));

/** Sliders: the position of a logarithmic one is the exponent. */
const SLIDERS = [
  {role: "size", label: "size n", min: 1, max: 31, step: 1, value: 5},
  {role: "alpha", label: "α", min: -6, max: 2, step: 0.01, value: 1, log: true},
  {role: "beta", label: "β", min: 0, max: 2, step: 0.01, value: 0.75},
  {role: "k", label: "k", min: 0, max: 10, step: 0.01, value: 1},
];

/** Reproducible numbers in [0, 1), so that a shared link shows the same input. */
function* uniform(seed = 1) {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 4294967296;
  }
}

const PROFILES = {
  "positive, as after ReLU": (count) => {
    const numbers = uniform(7);
    return Array.from({length: count}, () => Math.max(0, 6 * numbers.next().value - 2));
  },
  "random signs": (count) => {
    const numbers = uniform(3);
    return Array.from({length: count}, () => 6 * numbers.next().value - 3);
  },
  "one large channel": (count) => Array.from({length: count}, (_, c) => (c === Math.floor(count / 2) ? 8 : 1)),
  "all equal": (count) => Array.from({length: count}, () => 2),
  "a wave": (count) => Array.from({length: count}, (_, c) => 4 * Math.sin((4 * Math.PI * c) / count)),
  "a step": (count) => Array.from({length: count}, (_, c) => (c < count / 2 ? 1 : 5)),
};
const DRAWN = "drawn";

const state = {first: "torch", second: "tensorflow", size: 5, alpha: 1, beta: 0.75, k: 1, x: [], target: "all"};

const option = (value, text = value) => new Option(text, value);
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const cell = (text, number = false) => {
  const td = document.createElement("td");
  td.textContent = text;
  if (number) td.className = "number";
  return td;
};
const line = (...cells) => {
  const tr = document.createElement("tr");
  tr.append(...cells);
  return tr;
};
const heading = (...names) => line(...names.map((name) => {
  const th = document.createElement("th");
  th.scope = "col";
  th.textContent = name;
  return th;
}));

/** One reading of the numbers: {row, problem} or {row, spec, s, y, slope}. */
function reading(name) {
  const row = rowNamed[name];
  const values = {size: state.size, alpha: state.alpha, beta: state.beta, k: state.k};
  const problem = refusal(row, values);
  if (problem) return {row, problem};
  const spec = specOf(row, values);
  const grad = state.x.map((_, c) => (state.target === "all" || Number(state.target) === c ? 1 : 0));
  return {row, spec, ...forward(state.x, spec), slope: gradient(state.x, grad, spec)};
}

/** A reading in words. */
function inWords({row, problem, spec}) {
  if (problem) return `${row.name}: refused, ${problem}.`;
  return `${row.name}: window [c − ${spec.lo}, c + ${spec.hi}], α on the sum ${short(spec.alpha)}${row.divides ? " (divided by the size)" : ""}.`;
}

/** The largest absolute difference, and the largest of |b - a| / |a|. */
function differences(a, b) {
  const gaps = a.map((value, c) => Math.abs(b[c] - value));
  const relative = gaps.map((gap, c) => (gap === 0 ? 0 : gap / Math.abs(a[c])));
  return {largest: Math.max(...gaps), relative: Math.max(...relative), channel: gaps.indexOf(Math.max(...gaps))};
}

function showDifference(first, second) {
  const words = [inWords(first), inWords(second)];
  if (first.spec && second.spec) {
    const {largest, relative, channel} = differences(first.y, second.y);
    words.push(largest === 0
      ? "The outputs are equal."
      : `Largest difference of the outputs: ${short(largest)} in channel ${channel}; up to ${short(100 * relative)} % of the first.`);
  }
  byId("difference").replaceChildren(...words.map((text, i) => {
    const p = document.createElement("p");
    p.className = ["first", "second", ""][i];
    p.textContent = text;
    return p;
  }));
}

function showCharts(first, second) {
  editable(byId("input"), state.x, LIMIT, setChannel);
  const empty = state.x.map(() => NaN);
  for (const [id, key, name] of [["base", "s", "base of the power"], ["output", "y", "output"], ["slope", "slope", "gradient"]]) {
    const rows = [first[key] || empty, second[key]];
    bars(byId(id), ...rows);
    byId(id).setAttribute("aria-label", `${name} per channel as ${first.row.name}: ${rows[0].map(short).join(", ")}`);
  }
}

function showNumbers(first, second) {
  const columns = [first, second].flatMap((r) => (r.spec ? [[`${r.row.name} base`, r.s], [`${r.row.name} y`, r.y], [`${r.row.name} gradient`, r.slope]] : []));
  const lines = state.x.map((value, c) =>
    line(cell(String(c), true), cell(short(value), true), ...columns.map(([, row]) => cell(String(Number(row[c].toPrecision(7))), true))));
  byId("numbers").replaceChildren(heading("channel", "x", ...columns.map(([name]) => name)), ...lines);
}

/** The code of every framework that expresses the first reading exactly; the names of the others. */
function codeLines(spec) {
  const able = CONVENTIONS.flatMap((row) => {
    const values = valuesOf(row, spec);
    return values ? [[row.name, codeOf(row, values)]] : [];
  });
  const names = able.map(([name]) => name);
  return {able, others: CONVENTIONS.map((row) => row.name).filter((name) => !names.includes(name))};
}

/** The line of code of localnorm's API for a spec. */
const ourCode = ([, code], spec) =>
  code.replace("{spec}", `LRNSpec(lo=${spec.lo}, hi=${spec.hi}, alpha=${asFloat(spec.alpha)}, beta=${asFloat(spec.beta)}, k=${asFloat(spec.k)})`);

function showCode({row, spec, problem}) {
  const rows = [];
  if (spec) {
    const {able, others} = codeLines(spec);
    byId("exact").textContent = others.length
      ? `No exact equivalent in ${others.join(", ")}.` : "Every framework has an exact equivalent.";
    const ours = LOCALNORM.map(({name, code}) => [`localnorm, ${name}`, ourCode(code, spec)]);
    for (const [name, code] of [...ours, ...able]) {
      const element = document.createElement("code");
      element.textContent = code;
      const td = cell("");
      td.append(element);
      rows.push(line(cell(name), td));
    }
  } else {
    byId("exact").textContent = `${row.name} refuses these numbers: ${problem}.`;
  }
  byId("code").replaceChildren(heading("framework", "code"), ...rows);
}

function show() {
  const first = reading(state.first), second = reading(state.second);
  showDifference(first, second);
  showCharts(first, second);
  showNumbers(first, second);
  showCode(first);
  const {first: a, second: b, size, alpha, beta, k} = state;
  const profile = byId("profile").value;
  const input = profile === DRAWN ? {x: state.x.join(" ")} : {profile, channels: state.x.length};
  history.replaceState(null, "", `#${new URLSearchParams({a, b, size, alpha, beta, k, ...input})}`);
}

function setChannel(channel, value) {
  state.x[channel] = Number(clamp(value, -LIMIT, LIMIT).toFixed(2));
  byId("profile").value = DRAWN;
  show();
}

/** Set one of the four numbers; both of its inputs follow. */
function setNumber({role, log}, value) {
  state[role] = value;
  byId(`${role}-number`).value = value;
  byId(`${role}-range`).value = log ? Math.log10(value) : value;
}

function addSlider(slider) {
  const {role, label, min, max, step, log} = slider;
  const row = document.createElement("div");
  row.className = "slider";
  const text = document.createElement("label");
  text.htmlFor = `${role}-range`;
  text.textContent = label;
  const range = Object.assign(document.createElement("input"), {type: "range", id: `${role}-range`, min, max, step});
  const number = Object.assign(document.createElement("input"), {type: "number", id: `${role}-number`, min: role === "size" ? 1 : 0, step: role === "size" ? 1 : "any"});
  number.setAttribute("aria-label", `${label}, exact`);
  range.oninput = () => {
    setNumber(slider, Number((log ? 10 ** range.value : Number(range.value)).toPrecision(3)));
    show();
  };
  number.onchange = () => {
    const value = Number(number.value);
    const valid = number.value !== "" && Number.isFinite(value) && value >= 0 && (role !== "size" || (Number.isInteger(value) && value >= 1 && value <= 255));
    setNumber(slider, valid ? value : state[role]);
    show();
  };
  row.append(text, range, number);
  byId("sliders").append(row);
}

/** Give the input a new number of channels. */
function setInput(profile, count, drawn = null) {
  byId("profile").value = profile;
  byId("count").value = count;
  state.x = drawn || (profile === DRAWN ? Array.from({length: count}, (_, c) => state.x[c] ?? 0) : PROFILES[profile](count).map((value) => Number(value.toFixed(2))));
  byId("target").replaceChildren(option("all", "the sum of all outputs"), ...state.x.map((_, c) => option(c, `output ${c}`)));
  if (state.target !== "all" && !(state.target in state.x)) state.target = "all";
  byId("target").value = state.target;
}

/** Take over the settings of a link; what it lacks or gets wrong keeps its default. */
function readLink() {
  const link = new URLSearchParams(location.hash.slice(1));
  for (const [key, id] of [["a", "first"], ["b", "second"]]) if (link.get(key) in rowNamed) state[id] = link.get(key);
  for (const slider of SLIDERS) {
    const value = Number(link.get(slider.role) ?? NaN);
    if (value >= 0 && Number.isFinite(value) && (slider.role !== "size" || (Number.isInteger(value) && value >= 1 && value <= 255))) slider.value = value;
    setNumber(slider, slider.value);
  }
  const drawn = (link.get("x") ?? "").split(" ").filter(Boolean).map(Number).slice(0, 64);
  const count = clamp(Math.round(Number(link.get("channels")) || 24), 1, 64);
  const profile = link.get("profile") in PROFILES ? link.get("profile") : Object.keys(PROFILES)[0];
  if (drawn.length && drawn.every(Number.isFinite)) setInput(DRAWN, drawn.length, drawn.map((v) => clamp(v, -LIMIT, LIMIT)));
  else setInput(profile, count);
}

function start() {
  for (const id of ["first", "second"]) byId(id).append(...CONVENTIONS.map((row) => option(row.name)));
  byId("profile").append(...Object.keys(PROFILES).map((name) => option(name)), option(DRAWN));
  SLIDERS.forEach(addSlider);
  readLink();
  for (const id of ["first", "second"]) {
    byId(id).value = state[id];
    byId(id).onchange = () => { state[id] = byId(id).value; show(); };
  }
  byId("target").onchange = () => { state.target = byId("target").value; show(); };
  byId("profile").onchange = () => { setInput(byId("profile").value, state.x.length); show(); };
  byId("count").onchange = () => {
    setInput(byId("profile").value, clamp(Math.round(Number(byId("count").value)) || state.x.length, 1, 64));
    show();
  };
  byId("controls").onsubmit = (event) => event.preventDefault();
  window.onresize = show;
  show();
}

start();
