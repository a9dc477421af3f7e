// Bar charts of one value per channel, and the input chart that is drawn on.
"use strict";

const LEFT = 46, BOTTOM = 18, TOP = 8;

/** Width and height of a chart in pixels. */
const sizeOf = (svg) => [svg.clientWidth || 480, svg.clientHeight || 176];

/** An SVG element with attributes. */
function draw(name, attributes, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
}

/** A number with three significant digits. */
const short = (value) => (Number.isFinite(value) ? String(Number(value.toPrecision(3))) : String(value));

/** The value range of a chart, which always holds zero. */
function rangeOf(...rows) {
  const finite = rows.flat().filter(Number.isFinite);
  const [low, high] = [Math.min(0, ...finite), Math.max(0, ...finite)];
  return low === high ? [0, 1] : [low, high];
}

/** Functions from channel and value to pixels. */
function scales(svg, count, [low, high]) {
  const [width, height] = sizeOf(svg);
  const step = (width - LEFT) / count;
  const span = height - TOP - BOTTOM;
  return {width, height, span, step, left: (c) => LEFT + c * step, top: (value) => TOP + (span * (high - value)) / (high - low)};
}

/** Draw bars for the first reading and marks for the second. */
function bars(svg, first, second, range = rangeOf(first, second || [])) {
  const {width, height, step, left, top} = scales(svg, first.length, range);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const parts = range.map((value) => draw("text", {x: 0, y: top(value) + 4}, short(value)));
  parts.push(draw("line", {class: "axis", x1: LEFT, x2: width, y1: top(0), y2: top(0)}));
  const every = Math.ceil(first.length / (width / 40));
  first.forEach((value, c) => {
    if (Number.isFinite(value)) {
      const [upper, lower] = [Math.max(0, value), Math.min(0, value)].map(top);
      parts.push(draw("rect", {class: "first", x: left(c) + step * 0.15, width: step * 0.7, y: upper, height: lower - upper}));
    }
    if (second && Number.isFinite(second[c])) {
      parts.push(draw("path", {class: "second", d: `M${left(c) + step * 0.05} ${top(second[c])}h${step * 0.9}`}));
    }
    if (c % every === 0) parts.push(draw("text", {x: left(c) + step / 2 - 3, y: height - 4}, String(c)));
  });
  svg.replaceChildren(...parts);
}

/** Make the input chart a group of sliders, one per channel; change(channel, value) is called with new values. */
function editable(svg, x, limit, change) {
  const range = [-limit, limit];
  const focused = Number(svg.querySelector(".grip:focus")?.dataset.channel ?? -1);
  bars(svg, x, null, range);
  const {width, height, span, step, left} = scales(svg, x.length, range);
  const grips = x.map((value, c) => draw("rect", {
    class: "grip", x: left(c), width: step, y: TOP, height: span, tabindex: c ? -1 : 0,
    role: "slider", "aria-orientation": "vertical", "aria-label": `channel ${c}`, "data-channel": c,
    "aria-valuemin": -limit, "aria-valuemax": limit, "aria-valuenow": short(value),
  }));
  svg.append(...grips);
  if (grips[focused]) grips[focused].focus();
  svg.onkeydown = (event) => {
    const channel = Number(event.target.dataset.channel);
    const moves = {ArrowLeft: -1, ArrowRight: 1}, steps = {ArrowUp: 0.02, ArrowDown: -0.02, PageUp: 0.2, PageDown: -0.2};
    if (event.key in moves) grips[(channel + moves[event.key] + x.length) % x.length].focus();
    else if (event.key in steps) change(channel, x[channel] + steps[event.key] * limit);
    else if (event.key === "Home" || event.key === "End") change(channel, event.key === "Home" ? -limit : limit);
    else return;
    event.preventDefault();
  };
  svg.onpointerdown = svg.onpointermove = (event) => {
    if (!event.buttons) return;
    const box = svg.getBoundingClientRect();
    const channel = Math.floor((((event.clientX - box.left) / box.width) * width - LEFT) / step);
    const down = ((event.clientY - box.top) / box.height) * height - TOP;
    if (channel in x) change(channel, limit - (2 * limit * down) / span);
  };
}
