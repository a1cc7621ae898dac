// Draws the figures of a report. All text of the page is in its HTML; what comes from a report is
// only ever set as text, never as markup.
"use strict";

(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
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

  // ---- figures ------------------------------------------------------------------------------

  const draw = {};

  draw.fidelity = (element, figure) => {
    const original = "original";
    const names = [...new Set(figure.points.map((point) => point.series))];
    const losses = figure.points.map((point) => point.loss).filter((value) => value > 0);
    const few = narrow(element);
    const x = logarithmic([...figure.points.map((point) => point.bytes), figure.original_bytes], few ? 4 : 8);
    const y = logarithmic(losses.length ? losses : [0.1, 1], 7);
    // The lowest step is kept for what loses nothing.
    const place = (point) => [x.at(point.bytes), point.loss > 0 ? y.at(point.loss) + 1 : 0];
    const label = {
      show: true,
      formatter: (item) => item.data.shown,
      fontSize: 11,
      color: variable("--text"),
      textBorderColor: variable("--page"),
      textBorderWidth: 2,
    };
    const option = base([...names, original]);
    option.grid = { left: few ? 58 : 70, right: 20, top: 44, bottom: 48 };
    option.xAxis = valueAxis(x, "size of the files", bytes, { nameGap: 28 });
    option.xAxis.max = x.at(x.most * 1.12);
    option.xAxis.axisLabel.showMaxLabel = false;
    option.yAxis = valueAxis(
      { steps: y.steps + 1, value: (at) => (at === 0 ? 0 : y.value(at - 1)) },
      figure.measure,
      loss,
      { nameGap: few ? 44 : 52 },
    );
    option.tooltip.formatter = (item) => (item.data.lines ? lines(item.data.lines) : "");
    option.series = names.map((name, index) => ({
      name,
      type: "scatter",
      symbol: symbols[index % symbols.length],
      symbolSize: name === "this artifact" ? 15 : 11,
      z: 4,
      itemStyle: { opacity: 0.95 },
      data: figure.points
        .filter((point) => point.series === name)
        .map((point) => ({
          name: point.label,
          value: place(point),
          shown: point.named ? short(point.label, few ? 16 : 26) : "",
          lines: [point.label, point.series === point.label ? "" : point.series, ...point.details].filter(Boolean),
        })),
    }));
    option.series.push({
      name: original,
      type: "scatter",
      symbol: "emptyCircle",
      symbolSize: 13,
      z: 3,
      itemStyle: { color: variable("--quiet") },
      data: [
        {
          name: original,
          shown: original,
          value: [x.at(figure.original_bytes), 0],
          lines: [original, bytes(figure.original_bytes), "loses nothing"],
        },
      ],
    });
    const size = {
      width: element.clientWidth - option.grid.left - option.grid.right,
      height: element.clientHeight - option.grid.top - option.grid.bottom,
    };
    const positions = labels(
      option.series.flatMap((series) => series.data),
      (value) => [(value[0] / option.xAxis.max) * size.width, (1 - value[1] / option.yAxis.max) * size.height],
      size,
    );
    option.series.forEach((series) => {
      series.data = series.data.map((item) => ({
        ...item,
        label: positions.has(item) ? { ...label, position: positions.get(item) } : { show: false },
      }));
    });
    if (figure.front.length > 1) {
      option.series.push({
        type: "line",
        data: figure.front.map((index) => place(figure.points[index])),
        showSymbol: false,
        silent: true,
        z: 1,
        lineStyle: { type: "dashed", width: 1.5, color: variable("--quiet") },
        tooltip: { show: false },
      });
    }
    return option;
  };

  draw.errors = (element, figure) => {
    const few = narrow(element);
    const names = figure.series.map((series) => series.name);
    const known = figure.series.flatMap((series) => series.values).filter((value) => value > 0);
    const scale = logarithmic(known, few ? 4 : 7);
    const option = base(names);
    const bars = figure.series.length;
    const values = valueAxis(scale, "relative error", loss, { nameGap: few ? 26 : 50 });
    const blocks = categoryAxis("block", figure.blocks, few ? { inverse: true, nameGap: 28 } : { nameGap: 26 });
    if (few) {
      element.style.height = Math.max(320, 100 + figure.blocks.length * (bars * 4 + 6)) + "px";
    }
    option.grid = { left: few ? 42 : 66, right: 16, top: 40, bottom: 46 };
    option.xAxis = few ? values : blocks;
    option.yAxis = few ? blocks : values;
    option.tooltip.formatter = (item) =>
      lines([names[item.seriesIndex], "block " + figure.blocks[item.dataIndex], "error " + loss(item.data.error)]);
    option.series = figure.series.map((series) => ({
      name: series.name,
      type: "bar",
      barGap: "0%",
      barCategoryGap: "24%",
      barMaxWidth: 26,
      data: series.values.map((value) =>
        value > 0 ? { value: scale.at(value), error: value } : { value: "-" },
      ),
    }));
    return option;
  };

  draw.search = (element, figure) => {
    const few = narrow(element);
    const names = figure.series.map((series) => series.name);
    const losses = figure.series.flatMap((series) => series.steps.map((step) => step.loss)).filter((value) => value > 0);
    const scale = logarithmic(losses.length ? losses : [0.1, 1], 6);
    const option = base(names);
    option.grid = { left: few ? 58 : 70, right: 20, top: names.length > 1 ? 40 : 16, bottom: 46 };
    option.xAxis = {
      ...valueAxis(scale, "choices measured", String, { nameGap: 28 }),
      min: 0,
      max: undefined,
      interval: undefined,
    };
    option.xAxis.axisLabel = { color: variable("--quiet"), fontSize: 11, hideOverlap: true };
    option.yAxis = valueAxis(scale, "loss", loss, { nameGap: few ? 44 : 52 });
    option.tooltip.formatter = (item) =>
      lines([names[item.seriesIndex], item.data.evaluated + " choices measured", "loss " + loss(item.data.loss)]);
    option.series = figure.series.map((series, index) => ({
      name: series.name,
      type: "line",
      step: "end",
      symbol: symbols[index % symbols.length],
      symbolSize: series.steps.length > 60 ? 4 : 7,
      showAllSymbol: true,
      lineStyle: { width: 2 },
      data: series.steps
        .filter((step) => step.loss > 0)
        .map((step) => ({ value: [step.evaluated, scale.at(step.loss)], ...step })),
    }));
    return option;
  };

  draw.positions = (element, figure) => {
    const few = narrow(element);
    const names = figure.series.map((series) => series.name);
    const longest = figure.series.reduce((a, b) => (b.ranges.length > a.ranges.length ? b : a));
    const range = (one) => (one.from === one.to ? String(one.from) : one.from + "–" + one.to);
    const most = Math.max(...figure.series.flatMap((series) => series.ranges.map((one) => one.kl + one.error)));
    const colours = palette();
    const option = base(names);
    option.grid = { left: few ? 58 : 70, right: 20, top: names.length > 1 ? 40 : 16, bottom: few ? 64 : 46 };
    option.xAxis = categoryAxis("tokens of context", longest.ranges.map(range), { nameGap: few ? 46 : 28, boundaryGap: true });
    option.xAxis.axisLabel = { ...option.xAxis.axisLabel, rotate: few ? 40 : 0, hideOverlap: false, interval: 0 };
    option.yAxis = {
      ...valueAxis({ steps: 1, value: (at) => at }, "KL divergence (nats)", loss, { nameGap: few ? 44 : 52 }),
      max: most > 0 ? undefined : 1,
      interval: undefined,
    };
    option.tooltip.formatter = (item) => {
      const one = figure.series[item.data.run].ranges[item.dataIndex];
      return lines([
        names[item.data.run],
        range(one) + " tokens of context",
        "KL " + loss(one.kl) + " ± " + loss(one.error),
        one.tokens + " predictions",
      ]);
    };
    option.series = figure.series.flatMap((series, index) => [
      // The standard error, as a band: its lower edge, unseen, and its width on top of it.
      ...["low", "width"].map((edge) => ({
        type: "line",
        stack: "band" + index,
        silent: true,
        symbol: "none",
        lineStyle: { opacity: 0 },
        color: colours[index % colours.length],
        areaStyle: { opacity: edge === "low" ? 0 : 0.15 },
        data: series.ranges.map((one) => {
          const low = Math.max(0, one.kl - one.error);
          return edge === "low" ? low : one.kl + one.error - low;
        }),
        tooltip: { show: false },
      })),
      {
        name: series.name,
        type: "line",
        color: colours[index % colours.length],
        symbol: symbols[index % symbols.length],
        symbolSize: 8,
        lineStyle: { width: 2 },
        data: series.ranges.map((one) => ({ value: one.kl, run: index })),
      },
    ]);
    return option;
  };

  draw.parts = (element, figure) => {
    const few = narrow(element);
    const totals = figure.bars.map((bar) => bar.bytes.reduce((a, b) => a + b, 0));
    const option = base(figure.parts);
    const most = Math.max(...totals);
    element.style.height = 110 + figure.bars.length * (few ? 58 : 46) + "px";
    option.legend.type = few ? "plain" : "scroll";
    option.grid = { left: 8, right: few ? 64 : 80, top: few ? 84 : 40, bottom: 28, containLabel: true };
    if (few) element.style.height = 150 + figure.bars.length * 58 + "px";
    option.yAxis = categoryAxis("", figure.bars.map((bar) => bar.name), { inverse: true });
    option.yAxis.axisLabel = {
      color: variable("--text"),
      fontSize: 12,
      width: few ? 84 : 180,
      overflow: "truncate",
    };
    option.xAxis = {
      ...valueAxis({ steps: 1, value: (at) => at }, "", bytes),
      max: most,
      interval: undefined,
      splitNumber: few ? 2 : 5,
    };
    option.xAxis.axisLabel.showMaxLabel = false;
    option.tooltip.formatter = (item) =>
      lines([
        figure.parts[item.seriesIndex],
        figure.bars[item.dataIndex].name,
        bytes(item.value) + ", " + ((100 * item.value) / totals[item.dataIndex]).toFixed(1) + " % of it",
      ]);
    option.series = figure.parts.map((part, index) => ({
      name: part,
      type: "bar",
      stack: "bytes",
      barMaxWidth: 30,
      itemStyle: { borderColor: variable("--page"), borderWidth: 1 },
      label: {
        show: index === figure.parts.length - 1,
        position: "right",
        color: variable("--text"),
        fontSize: 12,
        formatter: (item) => bytes(totals[item.dataIndex]),
      },
      data: figure.bars.map((bar) => bar.bytes[index]),
    }));
    return option;
  };

  // ---- the page -----------------------------------------------------------------------------

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
})();
