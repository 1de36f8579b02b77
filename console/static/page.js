// The first page: asks the API again and again and shows what it answers.
// Every text goes in as text, never as markup.

const SECOND = 1000, MINUTE = 60 * SECOND, DAY = 24 * 60 * MINUTE;
const MOST_CHANNELS = 100;
const LATEST = 15 * MINUTE;      // how far back the latest readings are looked for
const OFTEN = 5 * SECOND, SELDOM = 60 * SECOND;
const byId = (id) => document.getElementById(id);

let ahead = 0;                   // milliseconds that the server's clock is ahead of ours
let chosen = 0;                  // counts the enterprises chosen: older answers are dropped
const shown = {};                // what was drawn last, by section: unchanged ones stay as they are
const series = {channels: [], limits: new Map(), means: new Map(), latest: new Map(), alerts: new Map()};

const serverNow = () => Date.now() + ahead;
const pathOf = (item) => `${item.enterprise}/${item.source}/${item.channel}`;
const iso = (time) => new Date(time).toISOString();

async function ask(route, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value != null);
  const answer = await fetch(`${route}?${new URLSearchParams(given)}`, {headers: {Accept: "application/json"}});
  const told = Date.parse(answer.headers.get("Date"));
  if (!Number.isNaN(told)) ahead = told - Date.now();
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.detail ?? `the server answered ${answer.status}`);
  return body;
}

async function everything(route, query, most = 5) {
  const items = [];
  let cursor = null;
  for (let page = 0; page < most && (page === 0 || cursor); page += 1) {
    const part = await ask(route, {...query, limit: 10000, cursor});
    items.push(...part.items);
    cursor = part.next;
  }
  return items;
}

// ---------------------------------------------------------------- pieces of the page

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child != null));
  return made;
}

function vector(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

const number = (value) => value == null ? "–" : value.toLocaleString("en", {maximumSignificantDigits: 6});
const badge = (text, kind = "") => element("span", {class: `badge ${kind}`}, text);
const sub = (text) => element("span", {class: "sub"}, text);
// Roles are said again, since rows that narrow screens show as blocks lose theirs.
const row = (...cells) => element("tr", {role: "row"}, ...cells);
const cell = (label, ...children) => element("td", {role: "cell", "data-label": label}, element("span", {}, ...children));
const numeric = (label, ...children) => element("td", {role: "cell", "data-label": label, class: "number"}, element("span", {}, ...children));
const rowTitle = (...children) => element("th", {role: "rowheader", scope: "row"}, element("span", {}, ...children));

function ago(time) {
  const seconds = Math.max(0, Math.round((serverNow() - Date.parse(time)) / SECOND));
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} days ago`;
}

function since(time) {
  if (!time) return "never";
  return element("time", {datetime: time, title: time, class: "ago"}, ago(time));
}

function draw(section, data, empty, make) {
  const state = JSON.stringify(data);
  if (shown[section] === state) return;
  shown[section] = state;
  const place = byId(section);
  (place.tBodies?.[0] ?? place).replaceChildren(...data.map(make));
  place.hidden = data.length === 0;
  byId(`${section}-empty`).textContent = data.length ? "" : empty;
  byId(`${section}-empty`).hidden = data.length > 0;
}

// ---------------------------------------------------------------- alerts

function alertItem(alert) {
  const over = alert.severity === "exceedance";
  const where = element("strong", {}, pathOf(alert));
  const uom = alert.uom ?? "";
  const what = {
    forecast: `${alert.rules}, ${alert.condition}: ${number(alert.value)} ${uom || "that exceed"} to be expected${alert.limit == null ? "" : `, limit ${number(alert.limit)}`}`,
    disagreement: `the operator's ${alert.window} mean differs from ours by ${number(alert.value)} ${uom}, at most by ${number(alert.peak)}`,
  }[alert.kind] ?? `${alert.window} mean ${number(alert.value)} ${uom}, limit ${number(alert.limit)}, peak ${number(alert.peak)}`;
  const line = element("li", {class: alert.severity},
    badge(over ? "▲ exceedance" : "△ warning", over ? "bad" : "warn"), " ",
    alert.state === "pending" ? badge("pending") : null, " ",
    alert.kind !== "limit" ? badge(alert.kind) : null, " ",
    where, sub(what), element("span", {class: "sub"}, "opened ", since(alert.opened_at)));
  if (alert.silent_since) line.append(element("span", {class: "sub"}, "fell silent ", since(alert.silent_since)));
  if (alert.acknowledged) line.append(sub(`acknowledged by ${alert.acknowledged.by}: ${alert.acknowledged.reason}`));
  line.append(element("a", {class: "sub", href: `/api/v1/alerts/${alert.id}`}, "History", element("span", {class: "skip"}, ` of ${pathOf(alert)}`)));
  return line;
}

async function loadAlerts(enterprise, current) {
  const [open, pending] = await Promise.all(["open", "pending"].map((state) => ask("/api/v1/alerts", {state, enterprise, limit: 200})));
  if (!current()) return;
  const worst = (alert) => alert.severity === "exceedance" ? 0 : 1;
  const items = [...open.items, ...pending.items].sort((a, b) => worst(a) - worst(b));
  series.alerts = new Map(items.filter((alert) => alert.kind === "limit").map((alert) => [pathOf(alert), alert.severity]).reverse());
  byId("alerts-count").textContent = items.length ? `${items.length}${open.next ? "+" : ""}` : "";
  draw("alerts", items, "No open alerts.", alertItem);
}

// ---------------------------------------------------------------- channels

function sparkline(means, limit, uom) {
  const from = serverNow() - DAY, width = 176, height = 40;
  const known = means.filter((mean) => mean.mean != null);
  if (!known.length) return sub("no mean in the last 24 hours");
  const values = known.map((mean) => mean.mean);
  const low = Math.min(0, ...values), high = Math.max(...values, limit?.value ?? -Infinity, low + 1e-9) * 1.05;
  const x = (time) => ((Date.parse(time) - from) / DAY * width).toFixed(1);
  const y = (value) => (height - (value - low) / (high - low) * height).toFixed(1);
  let line = "", pen = false;
  for (const mean of means) {
    if (mean.mean != null) line += `${pen ? "L" : "M"}${x(mean.end)} ${y(mean.mean)}${pen ? "" : "h.01"}`;
    pen = mean.mean != null;
  }
  const said = `20-minute means of the last 24 hours, lowest ${number(Math.min(...values))}, highest ${number(Math.max(...values))} ${uom}`
    + (limit ? `, limit ${number(limit.value)}` : "");
  const svg = vector("svg", {class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": said});
  const title = vector("title", {});
  title.textContent = said;
  svg.append(title);
  if (limit) svg.append(vector("path", {class: "limit", d: `M0 ${y(limit.value)}H${width}`}));
  svg.append(vector("path", {d: line}));
  return svg;
}

function channelRow({channel, reading, limits, means, severity}) {
  const over = severity === "exceedance";
  const mark = severity ? badge(over ? "▲ exceedance" : "△ warning", over ? "bad" : "warn") : null;
  const mean = means.findLast((each) => each.mean != null);
  const latest = numeric("Latest",
    reading || mean ? `${number(reading ? reading.value : mean.mean)} ${channel.uom}` : "–",
    reading && reading.status !== "valid" ? sub(reading.status.replaceAll("_", " ")) : null,
    reading?.flags.includes("range") ? sub("out of range") : null,
    !reading && mean ? element("span", {class: "sub"}, "20-minute mean, ended ", since(mean.end)) : null,
    reading ? element("span", {class: "sub"}, since(reading.time)) : null,
    !reading && !mean ? sub("nothing in the last 24 hours") : null);
  const plain = limits.filter((limit) => limit.rule == null);
  const sets = new Set(limits.filter((limit) => limit.rule != null)
    .map((limit) => `${number(limit.rule.limit)} ${limit.rule.uom} · by ${limit.rule.rules}`));
  const rules = [...plain.map((limit) => `${number(limit.value)} ${limit.uom} · ${limit.average} mean`), ...sets].map(sub);
  return row(
    rowTitle(channel.channel, " ", mark, sub(`${channel.enterprise}/${channel.source} · ${channel.parameter}`)),
    latest,
    cell("Last 24 hours", sparkline(means, plain.find((limit) => limit.average === "20min"), channel.uom)),
    cell("Limits", ...(rules.length ? rules : [sub("none")])));
}

function drawChannels() {
  const rows = series.channels.slice(0, MOST_CHANNELS).map((channel) => {
    const path = pathOf(channel);
    return {
      channel, reading: series.latest.get(path) ?? null, limits: series.limits.get(path) ?? [],
      means: series.means.get(path) ?? [], severity: series.alerts.get(path) ?? null,
    };
  });
  draw("channels", rows, "No channels: apply a registry with ams-server registry apply FILE.", channelRow);
}

function grouped(items) {
  const groups = new Map();
  for (const item of items) {
    const path = pathOf(item);
    if (groups.has(path)) groups.get(path).push(item); else groups.set(path, [item]);
  }
  return groups;
}

async function loadSeries(enterprise, current) {
  const [channels, limits] = await Promise.all([
    ask("/api/v1/channels", {enterprise, limit: MOST_CHANNELS + 1}),
    everything("/api/v1/limits", {enterprise}),
  ]);
  const few = channels.items.length <= MOST_CHANNELS;
  const means = few ? await everything("/api/v1/averages", {enterprise, window: "20min", start: iso(serverNow() - DAY)}) : [];
  if (!current()) return;
  series.channels = channels.items;
  series.limits = grouped(limits);
  series.means = grouped(means);
  byId("channels-count").textContent = few ? String(channels.items.length || "") : `the first ${MOST_CHANNELS}: choose an enterprise for its values`;
  drawChannels();
}

async function loadLatest(enterprise, current) {
  if (series.channels.length > MOST_CHANNELS) return;
  const readings = await everything("/api/v1/readings", {enterprise, start: iso(serverNow() - LATEST)});
  if (!current()) return;
  series.latest = new Map(readings.map((reading) => [pathOf(reading), reading]));
  drawChannels();
}

// ---------------------------------------------------------------- compliance with rule sets

const RANK = {exceeded: 0, not_assessable: 2, compliant: 3};
const fraction = (text) => text.split("/").map(Number).reduce((over, under) => over / under);
const rankOf = (item) => item.breaks_at && item.state !== "exceeded" ? 1 : RANK[item.state];

function complianceRow(item) {
  const counted = item.allowed != null;
  const kind = {exceeded: "bad", compliant: "good"}[item.state] ?? "";
  const mark = {exceeded: "▲ ", compliant: "✓ "}[item.state] ?? "";
  const most = counted ? `${item.allowed} of ${item.per ?? item.average} may exceed` : `limit ${number(item.limit * fraction(item.factor))} ${item.uom}`;
  const left = counted ? String(item.left) : item.rest_may_average == null ? "–" : `${number(item.rest_may_average)} ${item.statistic === "total" ? "kg/h" : item.uom}`;
  return row(
    rowTitle(`${item.rules}: ${item.condition}`, sub(`${pathOf(item)}${item.basis ? ` · ${item.basis}` : ""} · ${item.permit}`), item.verified ? null : sub("clause from memory, not verified")),
    cell("State so far", badge(mark + item.state.replaceAll("_", " "), kind), sub(`${item.valid} of ${item.expected} parts are valid`)),
    numeric("So far", counted ? String(item.exceeding) : `${number(item.value)} ${item.uom}`, sub(`${item.average}${item.per ? ` in ${item.per}` : ""}`)),
    numeric("Left", left, sub(counted ? most : `the rest may average; ${most}`)),
    cell("Forecast", item.breaks_at ? badge("△ breaks", "warn") : "keeps", item.breaks_at ? sub(item.breaks_at) : null,
      item.forecast == null ? null : sub(`will be ${number(item.forecast)}`)));
}

async function loadCompliance(enterprise, current) {
  const page = await ask("/api/v1/compliance", {enterprise, running: "true", limit: 200});
  if (!current()) return;
  byId("compliance-section").hidden = page.items.length === 0;  // most plants have no rule set
  byId("compliance-count").textContent = page.next ? "the first 200" : String(page.items.length || "");
  draw("compliance", page.items.sort((a, b) => rankOf(a) - rankOf(b)), "No rule set is in use.", complianceRow);
}

// ---------------------------------------------------------------- units and ledger

const range = ([first, last]) => first === last ? `${first}` : `${first} to ${last}`;

function unitRow(unit) {
  const kind = {online: "good", offline: "bad"}[unit.state] ?? "";
  const mark = {online: "● ", offline: "○ "}[unit.state] ?? "";
  const gaps = unit.gaps.slice(-5).map(range).join(", ") || "nothing is missing";
  const more = unit.gaps.length > 5 ? `and ${unit.gaps.length - 5} earlier` : null;
  const former = unit.earlier_gaps.length ? sub(`former starts lack ${unit.earlier_gaps.reduce((sum, boot) => sum + boot.ranges.length, 0)} ranges`) : null;
  return row(
    rowTitle(`${unit.enterprise}/${unit.unit}`, sub(unit.firmware ?? "")),
    cell("State", badge(mark + unit.state, kind)),
    cell("Last message", since(unit.last_seen)),
    numeric("Sequence", unit.seq == null ? "–" : String(unit.seq), sub(unit.boot ?? "")),
    cell("Not yet received", gaps, more ? sub(more) : null, former));
}

async function loadUnits(enterprise, current) {
  const page = await ask("/api/v1/units", {enterprise, limit: 200});
  if (!current()) return;
  byId("units-count").textContent = page.next ? "the first 200" : String(page.items.length || "");
  draw("units", page.items, "No units yet.", unitRow);
}

function ledgerRow(entry) {
  const {messages, readings} = entry;
  const balanced = messages.received === messages.stored + messages.duplicate + messages.quarantined
    && readings.received === readings.stored + readings.duplicate + readings.revised + readings.quarantined;
  const both = (label, name) => numeric(label,
    count(readings[name]), name in messages ? sub(`${count(messages[name])} ${messages[name] === 1 ? "message" : "messages"}`) : null);
  return row(
    rowTitle(entry.unit == null ? "unknown units" : `${entry.enterprise}/${entry.unit}`),
    both("Received", "received"), both("Stored", "stored"), both("Duplicate", "duplicate"),
    both("Revised", "revised"), both("Quarantined", "quarantined"),
    cell("Balance", badge(balanced ? "✓ balanced" : "✗ does not add up", balanced ? "good" : "bad")));
}

const count = (value) => value.toLocaleString("en");

async function loadLedger(enterprise, current) {
  const page = await ask("/api/v1/ledger", {enterprise, limit: 200});
  if (current()) draw("ledger", page.items, "Nothing was received yet.", ledgerRow);
}

// ---------------------------------------------------------------- the server and its enterprises

async function loadReadiness() {
  const answer = await fetch("/readyz");
  const body = await answer.json();
  const place = byId("ready");
  place.className = `badge ${answer.ok ? "good" : "bad"}`;
  place.textContent = answer.ok ? "● ready" : `○ not ready: ${body.detail}`;
}

async function loadEnterprises() {
  const items = await everything("/api/v1/enterprises", {});
  const name = ({name, enterprise}) => name?.en ?? name?.ru ?? Object.values(name ?? {})[0] ?? enterprise;
  const select = byId("enterprise");
  const kept = select.value || decodeURIComponent(location.hash.slice(1));
  const state = JSON.stringify(items);
  if (shown.enterprises === state) return;
  shown.enterprises = state;
  select.replaceChildren(element("option", {value: ""}, "All enterprises"),
    ...items.map((item) => element("option", {value: item.enterprise}, name(item))));
  select.value = items.some((item) => item.enterprise === kept) ? kept : "";
}

// ---------------------------------------------------------------- asking again and again

const troubles = new Map();

async function attempt(name, work) {
  try {
    await work();
    troubles.delete(name);
    byId("asof").textContent = `${iso(serverNow()).slice(11, 19)} UTC`;
  } catch (error) {
    const away = error instanceof TypeError;
    troubles.set(name, away ? "The server does not answer. This page goes on asking." : `${error.message}`);
    if (away) { byId("ready").className = "badge bad"; byId("ready").textContent = "○ no answer"; }
  }
  const place = byId("trouble");
  place.hidden = troubles.size === 0;
  const text = [...new Set(troubles.values())].join(" ");
  if (place.textContent !== text) place.textContent = text;
}

function round(seldom) {
  const mine = chosen, enterprise = byId("enterprise").value;
  const current = () => mine === chosen;
  const often = [["alerts", loadAlerts], ["units", loadUnits], ["ledger", loadLedger], ["latest", loadLatest]];
  const work = often.map(([name, load]) => attempt(name, () => load(enterprise, current)));
  if (seldom) work.push(attempt("channels", () => loadSeries(enterprise, current)), attempt("compliance", () => loadCompliance(enterprise, current)), attempt("enterprises", loadEnterprises));
  work.push(attempt("readiness", loadReadiness));
  return Promise.all(work);
}

async function goOn() {
  let seldom = 0;
  for (;;) {
    const due = Date.now() >= seldom;
    if (due) seldom = Date.now() + SELDOM;
    if (!document.hidden) await round(due);
    await new Promise((resolve) => setTimeout(resolve, OFTEN));
  }
}

byId("enterprise").addEventListener("change", (event) => {
  chosen += 1;
  location.hash = encodeURIComponent(event.target.value);
  series.latest = new Map();
  round(true);
});
setInterval(() => {
  for (const place of document.querySelectorAll("time.ago")) place.textContent = ago(place.dateTime);
}, SECOND);
await attempt("enterprises", loadEnterprises);
goOn();
