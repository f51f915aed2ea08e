// The script of a ktstr report. Its data is the JSON of the type page of page.go. Text of runs is hostile:
// it only ever becomes a text node or the value of an attribute that is not code.
"use strict";
(() => {
const shapes = ["circle", "triangle", "square", "diamond", "cross", "ring"];
const icons = { better: "✓", worse: "✗", same: "≈", "no loss": "≥", unclear: "?", changed: "≠", missing: "∅", "too few": "…" };
const tones = { better: "good", same: "good", "no loss": "good", worse: "bad", missing: "bad", passed: "good", failed: "bad", "timed out": "bad", "not started": "bad" };

let data;          // the page
let byPayload;     // the indices of the runs of each payload
const place = [];  // of each run, its index among the runs of its payload
let charts = [];   // the drawn charts
const filter = { metric: "", payload: "", tag: "", host: "", all: false };

// el returns an element. Attributes that begin with "on" are listeners. Children are nodes or text.
function el(name, attributes = {}, ...children) {
  const e = ["svg", "path", "rect", "line", "text"].includes(name) ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (key.startsWith("on")) e.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "selected" || key === "hidden") e[key] = value;
    else e.setAttribute(key, value);
  }
  for (const c of children.flat(Infinity)) if (c !== undefined && c !== null && c !== "") e.append(typeof c === "object" ? c : visible(String(c)));
  return e;
}

// breakable returns the nodes of a name that may be broken after its dots and slashes.
function breakable(name) { return name.split(/(?<=[.\/_])/).flatMap((part, i) => i ? [document.createElement("wbr"), part] : [part]); }

// visible replaces control characters and marks that reorder text.
function visible(s) { return s.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "\ufffd"); }

// quote returns s as a word of the shell. Characters that visible would replace are written as escapes.
function quote(s) {
  if (/^[A-Za-z0-9_.\/:@%+=,-]+$/.test(s)) return s;
  if (visible(s) === s && !/[\n\t]/.test(s)) return "'" + s.replaceAll("'", "'\\''") + "'";
  return "$'" + Array.from(s, c => {
    const n = c.codePointAt(0);
    if (c === "'" || c === "\\") return "\\" + c;
    return n < 32 || visible(c) !== c ? "\\U" + n.toString(16).padStart(8, "0") : c;
  }).join("") + "'";
}

function count(n, noun) { return n + " " + noun + (n === 1 ? "" : "s"); }
function isNumber(v) { return typeof v === "number"; }
// color returns a colour of the style sheet. They are read once for each theme, because a plot asks a thousand times.
const colors = new Map();
function color(name) {
  if (!colors.has(name)) colors.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return colors.get(name);
}
function day(t) { return t.slice(0, 16).replace("T", " "); }
function signed(change) {
  if (!isNumber(change)) return String(change ?? "–");
  return (change >= 0 ? "+" : "−") + Math.abs(change * 100).toFixed(1) + " %";
}
// digits returns a number with four significant digits and no exponent where people need none.
function digits(v) {
  if (v === 0) return "0";
  const a = Math.abs(v);
  if (a >= 1e15 || a < 1e-6) return v.toExponential(3);
  if (a >= 1000) return Math.round(v).toLocaleString("en-US").replaceAll(",", "\u202f");
  return String(Number(v.toPrecision(4)));
}
function median(values) {
  const s = values.filter(isNumber).sort((a, b) => a - b);
  return s.length === 0 ? null : s.length % 2 ? s[(s.length - 1) / 2] : (s[s.length / 2 - 1] + s[s.length / 2]) / 2;
}
function title(run) { return run.payload + (run.variant ? " " + run.variant : ""); }
function unitText(m) { return m.display || "no unit"; }
function betterText(b) {
  if (b.startsWith("target=")) return "target " + b.slice(7);
  return { higher: "higher is better", lower: "lower is better" }[b] || "no polarity";
}
// matches reports whether name has the text, in which * matches any characters.
function matches(name, text) {
  const parts = text.toLowerCase().split("*");
  let at = 0;
  for (const part of parts) {
    const i = name.toLowerCase().indexOf(part, at);
    if (i < 0) return false;
    at = i + part.length;
  }
  return true;
}
function showsRun(run) {
  return (!filter.payload || run.payload === filter.payload) && (!filter.host || data.hosts[run.host].name === filter.host) &&
    (!filter.tag || run.tags.includes(filter.tag));
}
function showsMetric(m) { return (!filter.payload || m.payload === filter.payload) && (!filter.metric || matches(m.name, filter.metric)) && (filter.all || m.headline || filter.metric); }

// ---- the parts of the page

function tiles() {
  const box = el("div", { class: "tiles" });
  for (const c of data.comparisons) {
    const tone = c.status === 0 ? "good" : c.status === 1 ? "bad" : "";
    const word = c.status === 0 ? "No regression" : c.status === 5 ? "Open: the runs cannot tell" : c.rows.some(r => r.decides && r.verdict === "worse") ? "Regression" : c.rows.some(r => r.decides && r.verdict === "missing") ? "Metrics are missing" : "Failed";
    box.append(el("div", { class: "tile " + tone }, el("strong", {}, word), el("span", {}, c.b.name + " against " + c.a.name + ": " + c.summary)));
  }
  const verdicts = new Map();
  for (const r of data.runs) verdicts.set(r.verdict, (verdicts.get(r.verdict) || 0) + 1);
  const bad = data.runs.length - (verdicts.get("passed") || 0);
  const words = [...verdicts].map(([v, n]) => n + " " + v).join(", ");
  box.append(el("div", { class: "tile " + (bad ? "bad" : "good") }, el("strong", {}, bad ? bad + " of " + count(data.runs.length, "run") + " did not pass" : "All " + count(data.runs.length, "run") + " passed"), el("span", {}, bad ? words : count(data.metrics.length, "metric") + ", " + count(data.metrics.filter(m => m.headline).length, "headline"))));
  return box;
}

function filters() {
  const select = (key, label, values) => values.length < 2 && !filter[key] ? "" : el("label", {}, label,
    el("select", { onchange: e => { filter[key] = e.target.value; show(); } },
      el("option", { value: "" }, "all"), values.map(v => el("option", { value: v, selected: v === filter[key] }, v))));
  const unique = list => [...new Set(list)].filter(Boolean).sort();
  const rest = data.metrics.filter(m => !m.headline).length;
  let timer;
  return el("form", { class: "filters", role: "search", "aria-label": "Filter", onsubmit: e => e.preventDefault() },
    el("label", {}, "metric", el("input", { type: "search", id: "metric", placeholder: "name or *pattern*", value: filter.metric,
      oninput: e => { clearTimeout(timer); timer = setTimeout(() => { filter.metric = e.target.value.trim(); show(); }, 120); } })),
    select("payload", "payload", unique(data.runs.map(r => r.payload))),
    select("tag", "tag", unique(data.runs.flatMap(r => r.tags))),
    select("host", "host", unique(data.hosts.map(h => h.name))),
    rest === 0 ? "" : el("label", { class: "check" }, el("input", { type: "checkbox", id: "all", checked: filter.all, onchange: e => { filter.all = e.target.checked; show(); } }), "all " + data.metrics.length + " metrics"),
    el("output", { id: "shown" }));
}

// pointsOf returns [run, value in the display unit] of a row on one side, in the order of the runs.
function pointsOf(side, row) {
  const points = [];
  let metric;
  side.runs.forEach((index, i) => {
    const run = data.runs[index];
    if (run.broken || !showsRun(run) || !row.metric.startsWith(side.prefixes[i])) return;
    const name = row.metric.slice(side.prefixes[i].length);
    const m = columns.get(run.payload + "\n" + name);
    if (!m || !isNumber(m.values[place[index]])) return;
    metric = m;
    points.push([index, m.values[place[index]] * m.factor]);
  });
  return { points, metric };
}
let columns; // the first metric of each payload and name

function comparison(c) {
  const rows = c.rows.filter(r => (r.shown || filter.all || filter.metric) && (!filter.metric || matches(r.metric, filter.metric)));
  // The scale is that of the changes and margins, not of a single outlier.
  const sizes = rows.filter(r => isNumber(r.change)).map(r => Math.max(Math.abs(r.change), 1.5 * r.margin / 100)).sort((a, b) => a - b);
  const reach = 1.2 * Math.max(0.02, Math.min(sizes.at(-1) ?? 0, 4 * (sizes[Math.floor(sizes.length / 2)] ?? 0)));
  const section = el("section", { "aria-label": "Comparison" },
    el("h2", {}, c.b.name + " against " + c.a.name),
    el("p", {}, c.summary, "."),
    c.differences.length ? el("div", {}, el("p", {}, "The sides differ in more than what is compared:"),
      el("ul", { class: "plain small" }, c.differences.map(d => el("li", {}, el("b", {}, d.name), ": " + d.a.join(" or ") + " → " + d.b.join(" or "))))) : "",
    c.notes.length ? el("ul", { class: "plain small soft" }, c.notes.map(n => el("li", {}, n))) : "");
  section.append(el("ul", { class: "key" }, [c.a, c.b].map((side, i) => el("li", {}, marker(i), "AB"[i] + "  " + side.name))));
  if (rows.length === 0) { section.append(el("p", { class: "soft" }, "No metric of the comparison matches the filter.")); return section; }
  const body = el("tbody");
  for (const r of rows) {
    const a = pointsOf(c.a, r), b = pointsOf(c.b, r);
    body.append(el("tr", { class: r.decides ? "" : "dim" },
      el("td", { class: "name" }, breakable(r.metric), el("div", { class: "small soft" }, betterText(r.better), r.decides ? "" : ", does not decide")),
      el("td", { class: "verdict " + (tones[r.verdict] || "unsure") }, (icons[r.verdict] || "") + " " + r.verdict,
        el("div", { class: "small soft" }, r.open ? r.open : isNumber(r.p) ? "p = " + Number(r.p.toPrecision(2)) : "")),
      [["A", r.a || "–"], ["B", r.b || "–"], ["change", signed(r.change)]].map(([label, text]) => el("td", { class: "num", "data-label": label }, text)),
      el("td", {}, strip(a, b)), el("td", {}, forest(r, reach))));
    if (r.note) body.lastChild.firstChild.append(el("div", { class: "small soft" }, r.note));
  }
  section.append(el("div", { class: "scroll" }, el("table", { class: "compare" },
    el("thead", {}, el("tr", {}, ["metric", "verdict"].map(h => el("th", {}, h)), ["A", "B", "change"].map(h => el("th", { class: "num" }, h)),
      el("th", {}, "every run of A, then of B"), el("th", {}, "change, margin" + (rows.some(r => isNumber(r.low)) ? ", interval" : "")))), body)));
  return section;
}

// strip draws every run of both sides on one axis, and their medians as ticks.
function strip(a, b) {
  const width = 220, height = 34, all = [...a.points, ...b.points].map(p => p[1]);
  if (all.length === 0) return "";
  const low = Math.min(...all), high = Math.max(...all), x = v => high === low ? width / 2 : 8 + (v - low) / (high - low) * (width - 16);
  const svg = el("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "values from " + digits(low) + " to " + digits(high) + " " + (a.metric || b.metric).display });
  [a, b].forEach((side, i) => {
    const y = i ? 25 : 9, values = side.points.map(p => p[1]);
    svg.append(el("line", { x1: 0, x2: width, y1: y, y2: y, stroke: "var(--line)" }));
    // One path draws all points. A thousand elements would be slow.
    const sign = i ? "m0 -5l4.5 8h-9z" : "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z";
    svg.append(el("path", { d: values.map(v => `M${x(v).toFixed(1)} ${y}${sign}`).join(""), fill: `var(--s${i})`, opacity: 0.6 }));
    if (values.length) svg.append(el("line", { x1: x(median(values)), x2: x(median(values)), y1: y - 8, y2: y + 8, stroke: "var(--text)", "stroke-width": 2 }));
  });
  return svg;
}

// forest draws the change as a diamond, the margin as a band around zero, and the interval as a line.
function forest(r, reach) {
  const width = 220, height = 34, y = 13, x = v => Math.max(2, Math.min(width - 2, width / 2 + v / reach * (width / 2 - 6)));
  if (!isNumber(r.change) && typeof r.change !== "string") return "";
  const margin = r.margin / 100, change = isNumber(r.change) ? r.change : (r.change.startsWith("-") ? -1 : 1) * 1e9;
  const svg = el("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "change " + signed(r.change) + ", margin ±" + r.margin + " %" });
  svg.append(el("rect", { x: x(-margin), y: 2, width: Math.max(1, x(margin) - x(-margin)), height: 22, fill: "var(--margin)" }),
    el("line", { x1: x(0), x2: x(0), y1: 0, y2: 26, stroke: "var(--soft)" }));
  if (isNumber(r.low) || isNumber(r.high)) {
    const low = isNumber(r.low) ? x(r.low) : 2, high = isNumber(r.high) ? x(r.high) : width - 2;
    svg.append(el("line", { x1: low, x2: high, y1: y, y2: y, stroke: "var(--text)", "stroke-width": 2 }),
      ...[low, high].map(at => el("line", { x1: at, x2: at, y1: y - 5, y2: y + 5, stroke: "var(--text)", "stroke-width": 2 })));
  }
  const at = x(change), tone = tones[r.verdict] || "unsure";
  svg.append(el("path", { d: `M${at - 6} ${y}l6 -6l6 6l-6 6z`, fill: `var(--${tone})` }));
  if (Math.abs(change) > reach) svg.append(el("text", { x: change > 0 ? width - 14 : 14, y: 33, "text-anchor": change > 0 ? "end" : "start" }, "beyond the scale"));
  else svg.append(el("text", { x: x(0), y: 34, "text-anchor": "middle" }, "±" + r.margin + " %"));
  return svg;
}

// marker returns the sign of a series in a key. Its shape says the same as its colour.
function marker(i) {
  const canvas = el("canvas", { width: 28, height: 28, "aria-hidden": "true", class: "marker", "data-series": i });
  canvas.style.width = canvas.style.height = "14px";
  paintMarker(canvas);
  return canvas;
}
function paintMarker(canvas) {
  const c = canvas.getContext("2d");
  c.clearRect(0, 0, 28, 28);
  point(c, Number(canvas.dataset.series), 14, 14, 9, 1);
}
function point(c, series, x, y, r, alpha) {
  c.globalAlpha = alpha;
  c.fillStyle = c.strokeStyle = color("--s" + series % 6);
  c.lineWidth = r / 2;
  c.beginPath();
  switch (shapes[series % shapes.length]) {
  case "triangle": c.moveTo(x, y - r * 1.1); c.lineTo(x + r * 1.05, y + r * 0.8); c.lineTo(x - r * 1.05, y + r * 0.8); c.closePath(); c.fill(); break;
  case "square": c.rect(x - r * 0.85, y - r * 0.85, r * 1.7, r * 1.7); c.fill(); break;
  case "diamond": c.moveTo(x, y - r * 1.25); c.lineTo(x + r * 1.1, y); c.lineTo(x, y + r * 1.25); c.lineTo(x - r * 1.1, y); c.closePath(); c.fill(); break;
  case "cross": c.moveTo(x - r, y); c.lineTo(x + r, y); c.moveTo(x, y - r); c.lineTo(x, y + r); c.stroke(); break;
  case "ring": c.arc(x, y, r * 0.75, 0, 7); c.stroke(); break;
  default: c.arc(x, y, r, 0, 7); c.fill();
  }
  c.globalAlpha = 1;
}

// seriesOf returns the names of the series of runs, and the series of each run: the sides of the only
// comparison, or else the variants.
function seriesOf(list) {
  if (data.comparisons.length === 1) {
    const { a, b } = data.comparisons[0], inA = new Set(a.runs), inB = new Set(b.runs);
    const of = i => inB.has(i) ? 1 : inA.has(i) ? 0 : 2;
    const names = ["A  " + a.name, "B  " + b.name, "neither side"];
    return { names: names.slice(0, list.some(i => of(i) === 2) ? 3 : 2), of: list.map(of) };
  }
  const names = [...new Set(list.map(i => data.runs[i].variant))];
  return { names: names.length > 1 ? names.map(n => n || "no variant") : [""], of: list.map(i => names.length > 1 ? names.indexOf(data.runs[i].variant) : 0) };
}

// hostChanges returns where the facts of consecutive runs differ, as {at, text}.
function hostChanges(list) {
  const facts = i => Object.assign({}, data.runs[i].facts);
  const changes = [];
  for (let k = 1; k < list.length; k++) {
    const before = facts(list[k - 1]), after = facts(list[k]), parts = [];
    for (const name of Object.keys(after)) {
      if (name === "arguments" && data.runs[list[k]].variant !== data.runs[list[k - 1]].variant) continue; // the variant says it
      if (before[name] !== undefined && before[name] !== after[name]) parts.push(name + " " + before[name] + " → " + after[name]);
    }
    if (parts.length) changes.push({ at: k, text: parts.join(", ") });
  }
  return changes;
}

// setsOf returns the consecutive runs of one set, or of sets that ran in turns, as {from, to, label}.
function setsOf(list) {
  const groups = [];
  list.forEach((index, k) => {
    const run = data.runs[index], key = run.set.replace(/\.[^.]*$/, "") || run.set;
    const last = groups.at(-1);
    if (last && key && last.key === key) last.to = k;
    else if (last && !key && !last.key && last.commit === run.commit && String(last.tags) === String(run.tags)) last.to = k;
    else groups.push({ key, from: k, to: k, tags: run.tags, commit: run.commit, start: run.start });
  });
  for (const g of groups) g.label = g.tags.join(" ") || (g.commit ? g.commit.slice(0, 7) : "") || day(g.start).slice(5);
  return groups;
}

function history(payload) {
  const list = byPayload.get(payload).filter(i => showsRun(data.runs[i]));
  const metrics = data.metrics.filter(m => m.payload === payload && showsMetric(m));
  if (list.length === 0 || metrics.length === 0) return "";
  const series = seriesOf(list), changes = hostChanges(list), groups = setsOf(list);
  const section = el("section", { "aria-label": payload }, el("h2", {}, payload, " ", el("span", { class: "soft small" }, count(list.length, "run") + (groups.length > 1 ? " in " + groups.length + " sets, the oldest first" : ", in the order in which they ran"))));
  if (changes.length) {
    const shown = changes.slice(0, 12);
    section.append(el("ul", { class: "changes", "aria-label": "Changes of the host" }, shown.map((c, i) => el("li", {}, el("b", {}, i + 1), "run " + (c.at + 1) + ": " + c.text)),
      changes.length > shown.length ? el("li", {}, "and " + (changes.length - shown.length) + " more") : ""));
  }
  const grid = el("div", { class: "grid" });
  for (const m of metrics) grid.append(card(m, { list, series, changes, groups }));
  section.append(grid);
  return section;
}

// card returns the frame of a chart. The chart itself is drawn when the card comes into view.
function card(m, about) {
  const values = about.list.map(i => data.runs[i].broken ? null : m.values[place[i]]);
  const mid = median(values), n = values.filter(isNumber).length;
  const plot = el("div", { class: "plot", tabindex: 0, role: "img", "aria-label": m.name + ": " + n + " values. Arrow keys choose a run, Enter shows it." });
  const c = el("article", { class: "card" },
    el("div", { class: "head" }, el("h3", {}, breakable(m.name)), el("span", { class: "soft" }, unitText(m) + ", " + betterText(m.better)),
      el("span", { class: "soft" }, mid === null ? "not measured" : "median " + digits(mid * m.factor) + " of " + n)),
    about.series.names.length > 1 ? el("ul", { class: "key" }, about.series.names.map((name, i) => el("li", {}, marker(i), name))) : "",
    plot);
  plot.make = () => { delete plot.make; charts.push(chart(m, about, plot)); };
  watcher.observe(plot);
  return c;
}
const watcher = new IntersectionObserver(entries => {
  for (const e of entries) if (e.isIntersecting) { watcher.unobserve(e.target); e.target.make?.(); }
}, { rootMargin: "300px" });

function chart(m, about, box) {
  const { list, series, changes, groups } = about;
  const ys = list.map(i => { const v = data.runs[i].broken ? null : m.values[place[i]]; return isNumber(v) ? v * m.factor : null; });
  let selected = -1, tip;
  const ratio = () => devicePixelRatio || 1;
  const u = new uPlot({
    width: Math.max(240, box.clientWidth), height: 236, legend: { show: false }, padding: [changes.length ? 20 : 10, 12, 0, 0],
    cursor: { show: false },
    scales: { x: { time: false, range: () => [-0.6, list.length - 0.4] }, y: { range: (_, low, high) => {
      if (low === null) return [0, 1];
      const pad = (high - low) * 0.12 || Math.abs(high) * 0.05 || 1;
      return [low - pad, high + pad];
    } } },
    series: [{}, { paths: () => null, points: { show: false } }],
    axes: [
      { stroke: () => color("--soft"), grid: { show: false }, ticks: { show: false }, size: 30, font: "11px system-ui, sans-serif",
        splits: () => groups.length > 1 ? groups.map(g => (g.from + g.to) / 2) : undefined, ...(groups.length > 1 ? {
          splits: () => groups.map(g => (g.from + g.to) / 2),
          values: u => { // as many labels as fit
            const room = u.bbox.width / ratio() / (list.length + 0.2);
            let end = -Infinity;
            return groups.map(g => {
              const text = visible(g.label), label = text.length > 16 ? text.slice(0, 15) + "…" : text;
              const at = (g.from + g.to) / 2 * room, half = label.length * 3.3 + 4;
              if (at - half < end) return "";
              end = at + half;
              return label;
            });
          } } : {
          splits: () => { const step = Math.max(1, Math.ceil(list.length / 12)), s = []; for (let k = 0; k < list.length; k += step) s.push(k); return s; },
          values: (_, s) => s.map(k => k + 1) }) },
      { stroke: () => color("--soft"), grid: { stroke: () => color("--line"), width: 1 }, ticks: { show: false }, size: 62, font: "11px system-ui, sans-serif", values: (_, s) => s.map(digits) },
    ],
    hooks: {
      drawClear: [u => {
        const c = u.ctx, { left, top, width, height } = u.bbox;
        groups.forEach((g, i) => {
          if (groups.length < 2 || i % 2 === 0) return;
          const from = u.valToPos(g.from - 0.5, "x", true), to = u.valToPos(g.to + 0.5, "x", true);
          c.fillStyle = color("--band");
          c.fillRect(Math.max(left, from), top, Math.min(left + width, to) - Math.max(left, from), height);
        });
      }],
      draw: [u => {
        const c = u.ctx, { top, height, width } = u.bbox, d = ratio(), room = width / d / list.length, dense = room < 5;
        const radius = Math.max(2.6, Math.min(4.2, room * 0.7)), x = k => u.valToPos(k, "x", true), y = v => u.valToPos(v, "y", true);
        c.save();
        changes.slice(0, 12).forEach((change, i) => { // the numbers of the list above the charts
          const at = x(change.at - 0.5);
          c.strokeStyle = c.fillStyle = color("--soft");
          c.lineWidth = d; c.setLineDash([3 * d, 3 * d]);
          c.beginPath(); c.moveTo(at, top); c.lineTo(at, top + height); c.stroke();
          c.setLineDash([]);
          c.beginPath(); c.arc(at, top - 9 * d, 8 * d, 0, 7); c.fill();
          c.fillStyle = color("--bg"); c.font = `${10 * d}px system-ui, sans-serif`; c.textAlign = "center"; c.textBaseline = "middle";
          c.fillText(i + 1, at, top - 9 * d);
        });
        const medians = outlined => groups.forEach(g => series.names.forEach((_, s) => { // of each series in each set
          const mid = median(ys.slice(g.from, g.to + 1).filter((_, k) => series.of[g.from + k] === s));
          if (mid === null || g.to === g.from) return;
          for (const [thickness, stroke] of outlined ? [[5, "--panel"], [2, "--s" + s % 6]] : [[1.5, "--s" + s % 6]]) {
            c.strokeStyle = color(stroke); c.lineWidth = thickness * d;
            c.beginPath(); c.moveTo(x(g.from - 0.4), y(mid)); c.lineTo(x(g.to + 0.4), y(mid)); c.stroke();
          }
        }));
        if (!dense) medians(false);
        list.forEach((index, k) => {
          if (ys[k] !== null) { point(c, series.of[k], x(k), y(ys[k]), radius * d, dense ? 0.7 : 0.85); return; }
          if (!data.runs[index].broken) return;
          const at = x(k), foot = top + height - 7 * d, r = 4 * d; // a failed run has no value
          c.strokeStyle = color("--bad"); c.lineWidth = 1.6 * d;
          c.beginPath(); c.moveTo(at - r, foot - r); c.lineTo(at + r, foot + r); c.moveTo(at + r, foot - r); c.lineTo(at - r, foot + r); c.stroke();
        });
        if (dense) medians(true); // the points would hide them
        if (selected >= 0) {
          c.strokeStyle = color("--text"); c.lineWidth = 2 * d;
          c.beginPath(); c.arc(x(selected), ys[selected] === null ? top + height - 7 * d : y(ys[selected]), 8 * d, 0, 7); c.stroke();
        }
        c.restore();
      }],
    },
  }, [list.map((_, k) => k), ys], box);

  const positionOf = k => [u.valToPos(k, "x"), ys[k] === null ? u.over.clientHeight - 7 : u.valToPos(ys[k], "y")];
  function choose(k) {
    if (k !== selected) { selected = k; u.redraw(false); }
    tip?.remove();
    tip = undefined;
    if (k < 0) return;
    const run = data.runs[list[k]], [px, py] = positionOf(k);
    tip = el("div", { class: "tip", role: "status" }, ys[k] === null ? run.verdict : digits(ys[k]) + " " + m.display, el("div", { class: "soft" },
      "run " + (k + 1) + (series.names.length > 1 ? ", " + series.names[series.of[k]] : "") + ", " + day(run.start) + (run.tags.length ? ", " + run.tags.join(" ") : "")));
    u.over.append(tip);
    tip.style.left = Math.max(0, Math.min(px + 10, u.over.clientWidth - tip.offsetWidth - 4)) + "px";
    tip.style.top = (py > 60 ? py - tip.offsetHeight - 10 : py + 12) + "px";
  }
  function nearest(e) {
    const r = u.over.getBoundingClientRect(), mx = e.clientX - r.left, my = e.clientY - r.top;
    let best = -1, distance = 30 * 30;
    for (let k = 0; k < list.length; k++) {
      if (ys[k] === null && !data.runs[list[k]].broken) continue;
      const [px, py] = positionOf(k), away = (px - mx) ** 2 + (py - my) ** 2;
      if (away < distance) { best = k; distance = away; }
    }
    return best;
  }
  u.over.addEventListener("mousemove", e => choose(nearest(e)));
  u.over.addEventListener("mouseleave", () => choose(-1));
  u.over.addEventListener("click", e => { const k = nearest(e); if (k >= 0) showRun(list[k], m); });
  box.addEventListener("keydown", e => {
    const step = { ArrowRight: 1, ArrowLeft: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity }[e.key];
    if (step !== undefined) { choose(Math.max(0, Math.min(list.length - 1, selected < 0 ? 0 : selected + step))); e.preventDefault(); }
    else if (e.key === "Enter" && selected >= 0) showRun(list[selected], m);
    else if (e.key === "Escape") choose(-1);
  });
  box.addEventListener("blur", () => choose(-1));
  return { u, box, redraw: () => u.redraw(false), resize: () => u.setSize({ width: Math.max(240, box.clientWidth), height: 236 }) };
}

function runsTable() {
  const list = data.runs.map((_, i) => i).filter(i => showsRun(data.runs[i])).reverse();
  const body = el("tbody"), most = 50;
  const add = part => part.forEach(i => {
    const r = data.runs[i];
    body.append(el("tr", {}, el("td", { class: "name" }, el("button", { class: "link", type: "button", onclick: () => showRun(i) }, r.name || title(r))),
      el("td", { class: "verdict " + (tones[r.verdict] || "unsure") }, r.verdict),
      el("td", {}, day(r.start)), el("td", {}, data.hosts[r.host].name), el("td", {}, r.tags.join(" ")),
      el("td", { class: "mono" }, r.commit.slice(0, 9), r.dirty ? " with changes" : ""), el("td", { class: "name small" }, r.failures.slice(0, 2).map(f => el("div", {}, f.slice(0, 300))))));
  });
  add(list.slice(0, most));
  return el("section", { "aria-label": "Runs" }, el("h2", {}, "Runs ", el("span", { class: "soft small" }, "the newest first")),
    el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, ["run", "verdict", "start", "host", "tags", "commit", "failures"].map(h => el("th", {}, h)))), body)),
    list.length > most ? el("button", { class: "more", type: "button", onclick: e => { add(list.slice(most)); e.target.remove(); } }, "Show all " + list.length + " runs") : "");
}

function hostsTable() {
  const names = { name: "host", kernel: "kernel", arch: "architecture", cpu: "CPU", cpus: "CPUs", governor: "governor", memory: "memory" };
  const text = (h, k) => k === "memory" ? (h.memory ? (h.memory / 2 ** 30).toFixed(1) + " GiB" : "") : String(h[k] || "");
  const used = new Set(data.runs.filter(showsRun).map(r => r.host)), hosts = data.hosts.filter((_, i) => used.has(i));
  const differs = k => new Set(hosts.map(h => text(h, k))).size > 1;
  return el("section", { "aria-label": "Hosts" }, el("h2", {}, "Hosts ", el("span", { class: "soft small" }, hosts.length > 1 ? "differences are bold" : "")),
    el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, Object.values(names).map(h => el("th", {}, h)))),
      el("tbody", {}, hosts.map(h => el("tr", {}, Object.keys(names).map(k => el("td", { class: differs(k) ? "differs" : "" }, text(h, k) || "not recorded"))))))));
}

// ---- one run

const panel = el("aside", { class: "detail", role: "dialog", "aria-modal": "false", "aria-label": "One run", hidden: true, tabindex: -1 });
let opener;
function closePanel() { panel.hidden = true; opener?.focus(); }
panel.addEventListener("keydown", e => { if (e.key === "Escape") closePanel(); });

// link returns a link to a file of the run's bundle, or its name if the report has no link.
function link(run, file, label) {
  if (!/^(file:\/\/\/|raw\/)/.test(run.base)) return label;
  return el("a", { href: run.base + file.split("/").map(encodeURIComponent).join("/"), target: "_blank", rel: "noreferrer" }, label);
}
function command(label, text) {
  const code = el("code", { class: "command", tabindex: 0 }, text);
  const copy = el("button", { type: "button", onclick: async () => {
    try { await navigator.clipboard.writeText(text); copy.textContent = "Copied"; } catch { getSelection().selectAllChildren(code); copy.textContent = "Selected: press Ctrl-C"; }
  } }, "Copy");
  return el("div", {}, el("p", { class: "small soft" }, label), code, copy);
}

function showRun(index, m) {
  const run = data.runs[index], host = data.hosts[run.host], k = place[index];
  opener = document.activeElement;
  const value = m && m.values[k];
  const row = (key, text) => text ? [el("dt", {}, key), el("dd", {}, text)] : [];
  const explainable = run.find !== "" && m;
  const explain = explainable ? "ktstr explain " + (/^-/.test(m.name) || /^-/.test(run.find) ? "-- " : "") + quote(run.find) + " " + quote(m.name) : "";
  const line = m?.lines?.[k], raw = m?.raw?.[k];
  const file = m && (m.stream.startsWith("file:") ? "files/" + m.stream.slice(5) : m.stream);
  panel.replaceChildren(...[
    el("button", { type: "button", onclick: closePanel, "aria-label": "Close" }, "Close"),
    el("h2", {}, run.name || title(run)),
    m ? el("div", {}, el("div", { class: "soft" }, m.name), el("div", { class: "value" }, value === null || value === undefined ? "not measured" : isNumber(value) ? digits(value * m.factor) + " " + m.display : value),
      isNumber(value) ? el("div", { class: "small soft" }, "exactly " + value + " " + m.unit) : "") : "",
    line ? el("div", {}, el("p", { class: "small soft" }, "read from ", link(run, file, m.stream + ", line " + line)), raw ? el("code", { class: "raw" }, raw) : "") : "",
    explain ? command("The origin of this number", explain) : "",
    el("dl", {}, row("verdict", el("span", { class: "verdict " + (tones[run.verdict] || "unsure") }, run.verdict)),
      row("failures", run.failures.length ? el("ul", { class: "plain" }, run.failures.map(f => el("li", {}, f))) : ""),
      row("payload", title(run)), row("start", run.start), row("duration", run.seconds ? run.seconds.toFixed(3) + " s" : ""), row("set", run.set), row("tags", run.tags.join(" ")),
      row("commit", run.commit + (run.time ? ", " + run.time : "") + (run.dirty ? ", with changes" : "")), row("host", host.name), row("CPU", host.cpu && host.cpu + " × " + host.cpus),
      Object.entries(run.facts).filter(([name]) => !["host", "cpu", "cpus", "payload"].includes(name)).map(([name, value]) => row(name, value))),
    run.base ? el("p", {}, link(run, "record.json", "record"), ", ", link(run, "stdout", "stdout"), ", ", link(run, "stderr", "stderr")) : "",
    run.repeat ? command("Repeat this run", run.repeat) : "",
  ].filter(Boolean));
  panel.hidden = false;
  panel.focus();
}

// ---- drawing

const sections = el("div");
function show() {
  charts.forEach(c => c.u.destroy());
  charts = [];
  watcher.disconnect();
  const parts = [];
  for (const c of data.comparisons) parts.push(comparison(c));
  for (const payload of byPayload.keys()) if (!filter.payload || filter.payload === payload) parts.push(history(payload));
  parts.push(runsTable(), hostsTable());
  const plots = parts.filter(Boolean);
  sections.replaceChildren(...plots);
  const runs = data.runs.filter(showsRun).length, metrics = data.metrics.filter(showsMetric).length;
  document.getElementById("shown").textContent = count(runs, "run") + ", " + metrics + " of " + count(data.metrics.length, "metric");
  if (metrics === 0) sections.prepend(el("p", {}, 
    data.metrics.length === 0 ? "No run has a metric." : Object.values(filter).some(Boolean) ? "No metric matches the filter." : "No run that ended well has a headline."));
  const hash = new URLSearchParams();
  for (const [key, value] of Object.entries(filter)) if (value) hash.set(key, value);
  try { window.history.replaceState(null, "", "#" + hash); } catch { /* a page without an address of its own */ }
}
function repaint() {
  colors.clear();
  charts.forEach(c => c.redraw());
  document.querySelectorAll("canvas.marker").forEach(paintMarker);
}

async function start() {
  const packed = JSON.parse(document.getElementById("data").textContent).gzip;
  const text = atob(packed), bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  const gunzip = new DecompressionStream("gzip"), writer = gunzip.writable.getWriter();
  writer.write(bytes); // not the stream of a Blob, which takes a detour through another process
  writer.close();
  data = await new Response(gunzip.readable).json();
  byPayload = new Map();
  data.runs.forEach((r, i) => {
    if (!byPayload.has(r.payload)) byPayload.set(r.payload, []);
    place[i] = byPayload.get(r.payload).push(i) - 1;
  });
  columns = new Map();
  for (const m of data.metrics) if (!columns.has(m.payload + "\n" + m.name)) columns.set(m.payload + "\n" + m.name, m);
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) if (key in filter) filter[key] = key === "all" ? true : value;
  document.getElementById("main").append(tiles(), filters(), sections);
  document.body.append(panel);
  document.getElementById("footer").append("Points are runs. Short lines are medians. A cross at the foot of a plot is a run that failed: it has no value. Written by ktstr, drawn with uPlot.");
  show();
  for (const c of document.querySelectorAll(".plot")) if (c.getBoundingClientRect().top < innerHeight) c.make?.();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  addEventListener("beforeprint", () => { document.querySelectorAll(".plot").forEach(p => p.make?.()); charts.forEach(c => c.resize()); repaint(); });
  addEventListener("afterprint", () => { charts.forEach(c => c.resize()); repaint(); });
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; charts.forEach(c => c.resize()); } });
  requestAnimationFrame(() => { document.documentElement.dataset.drawn = performance.now().toFixed(1); });
}
start().catch(e => { document.getElementById("main").textContent = "This report cannot be shown: " + e; });
})();
