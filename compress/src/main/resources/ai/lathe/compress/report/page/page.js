// Draws the figures of a page, again when its width or its ground changes, and tells of what a
// pointer is on. All text of the page is in its HTML.

const figures = JSON.parse(document.getElementById("figures").textContent);

const charts = [];
for (const element of document.querySelectorAll("[data-figure]")) {
  const figure = figures[element.dataset.figure];
  if (figure && draw[element.dataset.figure]) {
    charts.push({ element, figure, draw: draw[element.dataset.figure], chart: null, width: 0 });
  }
}

function show(one) {
  const option = one.draw(one.element, one.figure);
  one.chart ??= echarts.init(one.element, null, { renderer: "canvas" });
  one.chart.resize();
  one.chart.setOption(option, true);
  one.width = one.element.clientWidth;
}

// The text can be read while the figures come, one a frame.
const begin = (index) => {
  if (index < charts.length) {
    show(charts[index]);
    requestAnimationFrame(() => begin(index + 1));
  }
};
requestAnimationFrame(() => begin(0));
dark.addEventListener("change", () => charts.forEach(show));
new ResizeObserver(() => {
  charts.filter((one) => one.chart && one.element.clientWidth !== one.width).forEach(show);
}).observe(document.querySelector("main"));

// Cells of a heat map tell more to a pointer, or a finger.
let tip = null;
const hide = () => {
  tip?.remove();
  tip = null;
};
function tell(event) {
  const cell = event.target.closest?.("[data-tip]");
  hide();
  if (!cell) return;
  const [first, ...rest] = cell.dataset.tip.split("\n");
  tip = lines([first, ...rest]);
  tip.className = "tip";
  document.body.append(tip);
  const around = cell.getBoundingClientRect();
  const left = Math.min(Math.max(8, around.left), innerWidth - tip.offsetWidth - 8);
  const above = around.top - tip.offsetHeight - 6;
  tip.style.left = left + "px";
  tip.style.top = (above > 8 ? above : around.bottom + 6) + "px";
}
document.addEventListener("pointerover", tell);
document.addEventListener("pointerdown", tell);
addEventListener("scroll", hide, { passive: true });
