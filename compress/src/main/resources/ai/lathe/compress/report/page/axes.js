// Colours, numbers and axes of the figures. The scripts of a page are one, in this order: axes, figures, page.

const dark = matchMedia("(prefers-color-scheme: dark)");

// Okabe and Ito's colours, told apart with any kind of colour vision, in tones for each ground.
const palettes = {
  light: ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b58900", "#56b4e9", "#5b6570", "#7b3fa0"],
  dark: ["#5aaef0", "#ff8a4c", "#2fc99b", "#e79ac6", "#e0bd3c", "#9bd6ff", "#a4afba", "#bd8ce6"],
};
const symbols = ["circle", "diamond", "triangle", "rect"];

const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const palette = () => (dark.matches ? palettes.dark : palettes.light);
const narrow = (element) => element.clientWidth < 560;

// ---- numbers ------------------------------------------------------------------------------

function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const text = unit === 0 ? value.toFixed(0) : value.toPrecision(3);
  return text.replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "") + " " + units[unit];
}

function loss(value) {
  if (value === 0) return "0";
  return Math.abs(value) < 1e-3 ? value.toExponential(1).replace(".0", "") : String(Number(value.toPrecision(3)));
}

const short = (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text);

/**
 * A logarithmic axis whose ticks are 1, 2 or 5 times powers of ten, doubled (or multiplied by
 * more, where they would be too many), which no axis of the library has: it shows the logarithm
 * over its least tick, and is labelled with what that stands for.
 */
function logarithmic(values, mostTicks) {
  const least = Math.min(...values);
  const most = Math.max(...values);
  const power = 10 ** Math.floor(Math.log10(least * 0.93));
  const base = power * ([5, 2, 1].find((digit) => digit * power <= least * 0.93) ?? 1);
  const step = [2, 10, 100, 1000].find((by) => Math.log(most / base) / Math.log(by) <= mostTicks) ?? 1e6;
  const start = step === 2 ? base : power;
  const steps = Math.max(1, Math.ceil(Math.log((most * 1.05) / start) / Math.log(step)));
  return {
    steps,
    most,
    at: (value) => Math.log(value / start) / Math.log(step),
    value: (place) => start * step ** place,
  };
}

function valueAxis(scale, name, format, more) {
  return {
    type: "value",
    min: 0,
    max: scale.steps,
    interval: 1,
    name,
    nameLocation: "middle",
    nameTextStyle: { color: variable("--quiet"), fontSize: 12 },
    axisLabel: { color: variable("--quiet"), fontSize: 11, formatter: (place) => format(scale.value(place)) },
    axisLine: { show: true, lineStyle: { color: variable("--line") } },
    axisTick: { show: false },
    splitLine: { lineStyle: { color: variable("--line"), opacity: 0.6 } },
    ...more,
  };
}

function categoryAxis(name, data, more) {
  return {
    type: "category",
    data,
    name,
    nameLocation: "middle",
    nameTextStyle: { color: variable("--quiet"), fontSize: 12 },
    axisLabel: { color: variable("--quiet"), fontSize: 11, hideOverlap: true },
    axisLine: { lineStyle: { color: variable("--line") } },
    axisTick: { show: false },
    ...more,
  };
}

/** Lines of text, the first of them strong, as an element: the library would take markup else. */
function lines(all) {
  const box = document.createElement("div");
  all.forEach((line, index) => {
    const part = document.createElement(index === 0 ? "b" : "div");
    part.textContent = line;
    box.append(part);
  });
  return box;
}

function base(names) {
  return {
    animation: false,
    color: palette(),
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: variable("--text") },
    tooltip: {
      trigger: "item",
      confine: true,
      backgroundColor: variable("--page"),
      borderColor: variable("--line"),
      textStyle: { color: variable("--text"), fontSize: 13 },
      extraCssText: "max-width:22rem;white-space:normal;overflow-wrap:anywhere",
    },
    legend: {
      show: names.length > 1,
      type: "scroll",
      top: 0,
      left: 0,
      itemWidth: 14,
      itemHeight: 10,
      itemGap: 14,
      data: names,
      textStyle: { color: variable("--text"), fontSize: 12 },
      pageIconColor: variable("--accent"),
      pageIconInactiveColor: variable("--line"),
      pageTextStyle: { color: variable("--quiet") },
      formatter: (name) => short(name, 28),
    },
  };
}

/**
 * On which side of its point each label stands: the first one where it is over no other label or
 * point, and within the axes. One that has none is left out; its point tells it on being touched.
 */
function labels(items, pixel, size) {
  const half = 8;
  const taken = items.map((item) => {
    const [x, y] = pixel(item.value);
    return { item, left: x - half, right: x + half, top: y - half, bottom: y + half };
  });
  const sides = (width, x, y) => [
    ["right", x + half, y - 7],
    ["left", x - half - width, y - 7],
    ["top", x - width / 2, y - half - 15],
    ["bottom", x - width / 2, y + half + 1],
  ];
  const chosen = new Map();
  for (const item of items.filter((one) => one.shown)) {
    const [x, y] = pixel(item.value);
    const width = item.shown.length * 6.4;
    for (const [side, left, top] of sides(width, x, y)) {
      const box = { item, left, right: left + width, top, bottom: top + 14 };
      const inside = left >= 0 && box.right <= size.width + 12 && top >= -12 && box.bottom <= size.height + 4;
      const free = taken.every(
        (other) =>
          other.item === item ||
          other.right <= box.left || other.left >= box.right || other.bottom <= box.top || other.top >= box.bottom,
      );
      if (inside && free) {
        chosen.set(item, side);
        taken.push({ ...box, item: null });
        break;
      }
    }
  }
  return chosen;
}
