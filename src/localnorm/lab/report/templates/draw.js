"use strict";
// No mode bar: its buttons offer to send the figure elsewhere.
const config = { responsive: true, displayModeBar: false };
const figures = JSON.parse(document.getElementById("figures").textContent);
const plots = Array.from(document.querySelectorAll(".plot"));
// The file that draws may not have been copied along with the page.
const drawn = typeof Plotly !== "undefined";
for (const note of document.querySelectorAll(".undrawn")) note.hidden = drawn;
for (const plot of plots) {
  plot.hidden = !drawn;
  if (!drawn) continue;
  const figure = figures[plot.id];
  Plotly.newPlot(plot, figure.data, figure.layout, config);
}
// A click on a norm in any legend hides it in every plot that has a line for it beside others.
// The legends are plain lists where there is no script.
const entries = Array.from(document.querySelectorAll(".legend li"), (item) => {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.norm = item.dataset.norm;
  button.setAttribute("aria-pressed", "true");
  button.title = "show or hide in every plot";
  button.append(...item.childNodes);
  item.append(button);
  return button;
});
function toggle(norm) {
  const same = entries.filter((entry) => entry.dataset.norm === norm);
  const shown = same[0].getAttribute("aria-pressed") !== "true";
  for (const entry of same) entry.setAttribute("aria-pressed", String(shown));
  for (const plot of plots) {
    const own = (plot.data ?? []).flatMap((trace, i) => (trace.meta === norm ? [i] : []));
    if (own.length) Plotly.restyle(plot, { visible: shown }, own);
  }
}
for (const entry of entries) entry.addEventListener("click", () => toggle(entry.dataset.norm));
