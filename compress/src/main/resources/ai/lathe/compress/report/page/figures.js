// How each figure is drawn: from a place in the page, and the numbers that stand in it, to what the
// library takes. What comes from a report is only ever set as text, never as markup.

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

// The same picture of losses that were added up.
draw.predicted = draw.fidelity;

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
  option.grid = { left: 16, right: few ? 64 : 80, top: few ? 84 : 40, bottom: 28, containLabel: true };
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
