// The charts of a router's page: one time axis for all, zoomed and moved together, by mouse, finger or keyboard.
// What is drawn stands in the page as JSON (collector/console/charts.py makes it); nothing is fetched.
"use strict";

(() => {
  const holder = document.querySelector("[data-plots]");
  if (!holder) return;
  const chart = JSON.parse(document.querySelector("script[data-chart]").textContent);
  const language = document.documentElement.lang;
  const told = document.querySelector("[data-told]");
  const range = document.querySelector("[data-range]");
  const tools = document.querySelector("[data-charts-tools]");
  const SHORTEST = 600; // seconds: what is sampled by minutes has nothing to show in less
  const AXIS = 46;
  const LANE = 18;
  const SHAPES = { critical: "◆", major: "▲", minor: "●", warning: "□" };

  const number = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const day = new Intl.DateTimeFormat(language, { month: "short", day: "numeric" });
  const full = new Intl.DateTimeFormat(language, {
    weekday: "short", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
  });
  const at = (seconds, format) => format.format(new Date(seconds * 1000));
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const font = () => `11px ${getComputedStyle(document.body).fontFamily}`;
  const plots = [];
  let shown = { min: chart.since, max: chart.until };
  let placed = null; // the index that the keyboard has the cursor at

  // -------- the time that is shown ------------------------------------

  function show(min, max) {
    const whole = chart.until - chart.since;
    let length = Math.min(whole, Math.max(SHORTEST, max - min));
    let begin = Math.min(Math.max(min, chart.since), chart.until - length);
    shown = { min: begin, max: begin + length };
    holder.dataset.from = new Date(shown.min * 1000).toISOString();
    holder.dataset.to = new Date(shown.max * 1000).toISOString();
    range.textContent = `${at(shown.min, full)} – ${at(shown.max, full)}`;
    for (const plot of plots) plot.setScale("x", shown);
  }

  const length = () => shown.max - shown.min;
  const move = (part) => show(shown.min + part * length(), shown.max + part * length());
  function zoom(factor, around = (shown.min + shown.max) / 2) {
    const left = (around - shown.min) * factor;
    show(around - left, around - left + length() * factor);
  }
  const acts = {
    in: () => zoom(0.5),
    out: () => zoom(2),
    left: () => move(-0.25),
    right: () => move(0.25),
    all: () => show(chart.since, chart.until),
    day: () => show(chart.until - 86400, chart.until),
  };

  // -------- drawing ---------------------------------------------------

  function background(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.strokeStyle = colour("gap");
    ctx.lineWidth = devicePixelRatio;
    for (const [since, until] of chart.gaps) hatch(plot, since, until);
    for (const finding of chart.findings) {
      const x = Math.round(plot.valToPos(finding.since, "x", true));
      ctx.strokeStyle = colour(finding.severity);
      ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
      line(ctx, x, bbox.top, x, bbox.top + bbox.height);
    }
    ctx.restore();
  }

  function hatch(plot, since, until) {
    const { ctx, bbox } = plot;
    const left = Math.max(bbox.left, plot.valToPos(since, "x", true));
    const right = Math.min(bbox.left + bbox.width, plot.valToPos(until, "x", true));
    if (right <= left) return;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, bbox.top, right - left, bbox.height);
    ctx.clip();
    const step = 6 * devicePixelRatio;
    for (let x = left - bbox.height - (left % step); x < right; x += step) {
      line(ctx, x, bbox.top + bbox.height, x + bbox.height, bbox.top);
    }
    ctx.restore();
  }

  function line(ctx, x1, y1, x2, y2) {
    ctx.beginPath();
    ctx.moveTo(x1, y1);
    ctx.lineTo(x2, y2);
    ctx.stroke();
  }

  function lanes(plot) {
    const { ctx, bbox } = plot;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.font = `${11 * ratio}px ${getComputedStyle(document.body).fontFamily}`;
    ctx.textBaseline = "middle";
    ctx.textAlign = "left";
    const height = bbox.height / laneCount;
    chart.findings.forEach((finding, row) => {
      const middle = bbox.top + (row + 0.5) * height;
      const left = Math.max(bbox.left, plot.valToPos(finding.since, "x", true));
      const right = Math.min(bbox.left + bbox.width, plot.valToPos(finding.until ?? chart.until, "x", true));
      if (right < bbox.left || left > bbox.left + bbox.width) return;
      ctx.fillStyle = colour(finding.severity);
      ctx.fillRect(left, middle + 0.32 * height, Math.max(2 * ratio, right - left), 2.5 * ratio);
      const label = `${SHAPES[finding.severity]} ${finding.number} ${finding.title}`;
      const begin = Math.min(left + 2 * ratio, bbox.left + bbox.width - ctx.measureText(label).width - 2 * ratio);
      ctx.fillText(label, Math.max(bbox.left + 2 * ratio, begin), middle - 0.08 * height);
    });
    chart.lanes.forEach((lane, row) => {
      const middle = bbox.top + (chart.findings.length + row + 0.5) * height;
      ctx.fillStyle = ctx.strokeStyle = colour(`plot-${row + 1}`);
      ctx.lineWidth = 1.5 * ratio;
      for (const mark of lane.marks) {
        if (mark.at < shown.min || mark.at > shown.max) continue;
        draw(ctx, lane.shape, plot.valToPos(mark.at, "x", true), middle, 0.3 * height);
      }
    });
    ctx.restore();
  }

  function draw(ctx, shape, x, y, size) {
    ctx.beginPath();
    if (shape === "dot") ctx.arc(x, y, size * 0.35, 0, 7);
    else if (shape === "tick") ctx.rect(x - size * 0.2, y - size, size * 0.4, size * 2);
    else if (shape === "up") { ctx.moveTo(x, y - size); ctx.lineTo(x + size, y + size); ctx.lineTo(x - size, y + size); }
    ctx.fill();
  }

  // -------- a plot ----------------------------------------------------

  const laneCount = chart.findings.length + chart.lanes.length;

  function times(plot, splits, _axis, _space, step) {
    let before = null;
    return splits.map((split) => {
      const date = at(split, day);
      const text = step >= 86400 || date !== before ? date : at(split, clock);
      before = date;
      return text;
    });
  }

  function axes(last, y) {
    const grid = { stroke: () => colour("grid"), width: 1 };
    return [
      { show: true, size: last ? 28 : 4, stroke: () => colour("quiet"), font: font(), grid, space: 72,
        ticks: { show: last, stroke: () => colour("line"), width: 1, size: 4 }, values: last ? times : () => [] },
      { size: AXIS, stroke: () => colour("quiet"), font: font(), grid, gap: 4, space: 28, ticks: { show: false }, ...y },
    ];
  }

  function series(line, kind) {
    const base = { label: line.label, stroke: () => colour(`plot-${line.colour}`), width: 1.5, spanGaps: false };
    if (kind === "bars") {
      return { ...base, fill: () => colour(`plot-${line.colour}`), paths: uPlot.paths.bars({ size: [0.7, 12, 1] }), points: { show: false } };
    }
    return { ...base, dash: line.dash, points: { show: (plot, i) => sparse(plot, i), size: 4, fill: () => colour(`plot-${line.colour}`) } };
  }

  // A value alone between two gaps has no line: it is shown as a point.
  function sparse(plot, which) {
    const values = plot.data[which];
    return values.filter((v) => v !== null).length < 3 || plot.bbox.width / (length() / 900) > 10 * devicePixelRatio;
  }

  function head(panel) {
    const element = document.createElement("div");
    element.className = "plot-head";
    const title = document.createElement("h3");
    title.textContent = panel.unit ? `${panel.title}, ${panel.unit}` : panel.title;
    element.append(title);
    const outputs = panel.lines.map((line) => {
      const key = document.createElement("span");
      key.className = "key";
      key.append(sample(line, panel.kind), document.createTextNode(panel.lines.length > 1 ? line.label : ""));
      const output = document.createElement("output");
      key.append(output);
      element.append(key);
      return output;
    });
    holder.append(element);
    return outputs;
  }

  function sample(line, kind) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 8");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", kind === "bars" ? "rect" : "path");
    if (kind === "bars") for (const [name, value] of [["x", 8], ["width", 8], ["height", 8]]) path.setAttribute(name, value);
    else path.setAttribute("d", "M0 4h24");
    path.setAttribute(kind === "bars" ? "fill" : "stroke", `var(--plot-${line.colour})`);
    path.setAttribute("stroke-width", "2");
    if (line.dash.length) path.setAttribute("stroke-dasharray", line.dash.join(" "));
    svg.append(path);
    return svg;
  }

  function options(height, more) {
    return {
      width: holder.clientWidth, height, legend: { show: false }, padding: [4, 18, 0, 0],
      cursor: {
        sync: { key: "router", setSeries: false }, y: false, drag: { x: true, y: false, setScale: false },
        bind: { mousedown: (_plot, _element, handler) => (event) => (event.shiftKey ? grab(event) : handler(event)), dblclick: () => () => acts.all() },
      },
      ...more,
    };
  }

  function hooks(outputs, panel) {
    return {
      drawClear: [background],
      setSelect: [(plot) => {
        if (plot.select.width < 4) return;
        const from = plot.posToVal(plot.select.left, "x");
        const to = plot.posToVal(plot.select.left + plot.select.width, "x");
        for (const each of plots) each.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        show(from, to);
      }],
      setCursor: [(plot) => {
        const index = plot.cursor.idx;
        panel.lines.forEach((_, i) => { outputs[i].textContent = value(plot.data[i + 1], index); });
        if (plot === plots[0]) range.textContent = index == null || plot.cursor.left < 0
          ? `${at(shown.min, full)} – ${at(shown.max, full)}` : at(chart.times[index], full);
      }],
    };
  }

  const value = (values, index) => (index == null || values[index] == null ? "–" : number.format(values[index]));

  function build() {
    const scales = { x: { time: true, auto: false, min: shown.min, max: shown.max, range: (_p, min, max) => [min, max] } };
    if (laneCount) {
      const element = document.createElement("div");
      element.className = "plot-head";
      for (const [row, lane] of chart.lanes.entries()) element.append(laneKey(lane, row));
      holder.append(element);
      const y = { splits: () => [], values: () => [], grid: { show: false } };
      plots.push(new uPlot(options(laneCount * LANE + 14, {
        scales: { ...scales, y: { range: [0, 1] } }, axes: axes(false, y), series: [{}, { show: true, stroke: "transparent", points: { show: false } }],
        hooks: { ...hooks([], { lines: [] }), draw: [lanes] },
      }), [chart.times, chart.times.map(() => null)], holder));
    }
    chart.panels.forEach((panel, place) => {
      const last = place === chart.panels.length - 1;
      const outputs = head(panel);
      const y = panel.kind === "bars" ? { range: (_p, _min, max) => [0, Math.max(1, max * 1.1)] }
        : { range: (_p, min, max) => (min == null ? [0, 1] : uPlot.rangeNum(min, max, { min: { pad: 0.1, soft: panel.floor, mode: 1 }, max: { pad: 0.1, soft: panel.ceiling, mode: 1 } })) };
      plots.push(new uPlot(options(last ? 124 : 100, {
        scales: { ...scales, y }, axes: axes(last, { values: (_p, splits) => splits.map((v) => number.format(v)) }),
        series: [{}, ...panel.lines.map((line) => series(line, panel.kind))], hooks: hooks(outputs, panel),
      }), [chart.times, ...panel.lines.map((line) => line.values)], holder));
    });
  }

  function laneKey(lane, row) {
    const key = document.createElement("span");
    key.className = "key";
    const mark = { tick: "❙", up: "▲", dot: "•" }[lane.shape];
    key.textContent = `${mark} ${lane.title}: ${number.format(lane.marks.length)}`;
    key.dataset.lane = row;
    return key;
  }

  // -------- fingers and wheels ----------------------------------------

  function grab(event) {
    let from = event.clientX;
    const width = holder.clientWidth - AXIS;
    const drag = (moved) => { move((from - moved.clientX) / width); from = moved.clientX; };
    const drop = () => { removeEventListener("mousemove", drag); removeEventListener("mouseup", drop); };
    addEventListener("mousemove", drag);
    addEventListener("mouseup", drop);
  }

  const fingers = new Map();
  holder.addEventListener("pointerdown", (event) => event.pointerType === "touch" && fingers.set(event.pointerId, event.clientX));
  addEventListener("pointerup", (event) => fingers.delete(event.pointerId));
  addEventListener("pointercancel", (event) => fingers.delete(event.pointerId));
  holder.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const width = holder.clientWidth - AXIS;
    const before = fingers.get(event.pointerId);
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (other === undefined) move((before - event.clientX) / width);
    else if (Math.abs(event.clientX - other) > 10) {
      const middle = (event.clientX + other) / 2 - holder.getBoundingClientRect().left - AXIS;
      zoom(Math.abs(before - other) / Math.abs(event.clientX - other), shown.min + (middle / width) * length());
    }
    fingers.set(event.pointerId, event.clientX);
  });
  holder.addEventListener("wheel", (event) => {
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : 0;
    if (!event.ctrlKey && !sideways) return; // the page scrolls
    event.preventDefault();
    const place = (event.clientX - holder.getBoundingClientRect().left - AXIS) / (holder.clientWidth - AXIS);
    if (event.ctrlKey) zoom(event.deltaY > 0 ? 1.25 : 0.8, shown.min + place * length());
    else move(Math.sign(sideways) * 0.1);
  }, { passive: false });

  // -------- keys ------------------------------------------------------

  function place(step) {
    const inside = chart.times.map((_, i) => i).filter((i) => chart.times[i] >= shown.min && chart.times[i] <= shown.max);
    if (!inside.length) return;
    const [first, last] = [inside[0], inside[inside.length - 1]];
    const next = placed === null ? (step > 0 ? first : last) : placed + step;
    placed = Math.min(last, Math.max(first, next));
    const left = plots[0].valToPos(chart.times[placed], "x");
    for (const plot of plots) plot.setCursor({ left, top: 0 }, false);
    for (const plot of plots) plot.hooks.setCursor?.forEach((hook) => hook(plot));
    const values = chart.panels.flatMap((panel) => panel.lines
      .filter((line) => line.values[placed] !== null)
      .map((line) => `${panel.lines.length > 1 ? `${panel.title} ${line.label}` : panel.title} ${number.format(line.values[placed])} ${panel.unit}`));
    told.textContent = [at(chart.times[placed], full), ...(values.length ? values : [chart.words.no_data])].join(", ");
  }

  const keys = {
    ArrowLeft: (shift) => (shift ? acts.left() : place(-1)),
    ArrowRight: (shift) => (shift ? acts.right() : place(1)),
    "+": () => acts.in(), "=": () => acts.in(), "-": () => acts.out(), "0": () => acts.all(), Escape: () => acts.all(),
    Home: () => { placed = null; place(1); }, End: () => { placed = null; place(-1); },
  };
  holder.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act(event.shiftKey);
    if (event.shiftKey || "+=-0Escape".includes(event.key)) told.textContent = range.textContent;
  });
  tools.addEventListener("click", (event) => {
    const act = event.target.closest("[data-act]")?.dataset.act;
    if (!act) return;
    acts[act]();
    told.textContent = range.textContent;
  });

  // -------- begin -----------------------------------------------------

  build();
  tools.hidden = false;
  show(chart.since, chart.until);
  let width = holder.clientWidth;
  new ResizeObserver(() => {
    if (holder.clientWidth === width || !holder.clientWidth) return;
    width = holder.clientWidth;
    for (const plot of plots) plot.setSize({ width, height: plot.height });
  }).observe(holder);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plots.forEach((plot) => plot.redraw(false, true)));
  holder.dataset.ready = "";
})();
