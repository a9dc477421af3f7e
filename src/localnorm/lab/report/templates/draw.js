"use strict";
// No mode bar: its buttons offer to upload the figure.
const config = { responsive: true, displayModeBar: false };
const { template, figures } = JSON.parse(document.getElementById("figures").textContent);
const plots = Array.from(document.querySelectorAll(".plot"));
// The script of the plots may not have been copied along with the page.
const drawn = typeof Plotly !== "undefined";
for (const note of document.querySelectorAll(".undrawn")) note.hidden = drawn;
for (const plot of plots) {
  plot.hidden = !drawn;
  if (!drawn) continue;
  const { data, layout } = figures[plot.id];
  Plotly.newPlot(plot, data, { ...layout, template }, config);
  // A norm hidden in one legend is hidden in every plot with a legend.
  plot.on("plotly_legendclick", (event) => {
    const { name, visible } = event.data[event.curveNumber];
    for (const other of plots.filter((candidate) => candidate.layout.showlegend)) {
      const same = other.data.flatMap((trace, i) => (trace.name === name ? [i] : []));
      if (same.length) Plotly.restyle(other, { visible: visible === "legendonly" || "legendonly" }, same);
    }
    return false;
  });
}
