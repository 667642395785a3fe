// Shows /status.json, asked for again and again. Whatever comes from it is set as text, never as markup: item ids are
// written by strangers.
"use strict";

const POLL_MS = 1000;
const RETRY_MS = 2000;
const PATIENCE_MS = 5000;
const OBJECTIVE_S = 1; // an event is to be visible to readers within a second

const STAGES = {
  starting: ["Starting", "wait", () => "Compiles its kernels and checks the topics; the first start on a machine takes a minute or two."],
  standby: ["Standing by", "wait", () => "Waits for the lease. One worker of a model writes; the others wait, and take over when it goes."],
  taking_over: ["Taking over", "wait", () => "Has the lease, and loads the newest checkpoint and what readers hold."],
  recovering: ["Recovering", "wait", (s) => `Learns again what is published already. Readers keep ${readersHold(s)} until it has caught up.`],
  catching_up: ["Catching up", "wait", (s) => `${count(s.lag.records)} records behind the end of its input; versions go out less often until it is there.`],
  live: ["Live", "good", (s) => `Learns ${rate(s.throughput.events_per_s)} events a second${visible(s)}.`],
  replaying: ["Replaying", "good", replayStory],
  stopping: ["Stopping", "wait", () => "Publishes and saves what it learned last."],
};
const HELD = {
  not_finite: "A number of the model is not finite",
  sum: "The scores of the next one do not add up",
  worse: "The next one is worse than what readers hold",
  share: "Too much of the audience’s share would move at once",
};
const MEMBERS = {
  ensemble: "Ensemble", item_to_item: "Item to item", repeat: "Repeat", popularity: "Popularity",
  session_knn: "Session kNN", linear: "Linear", neural: "Neural", item: "Item",
  context: "Context",
};
const STATE = { items: "Items", users: "Users", event_ids: "Event ids remembered", departed_items: "Items to be deleted" };

// ---- words for numbers ----

const UNIT = "\u00a0"; // between a number and its unit no line is broken

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const oneDigit = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const three = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

const count = (n) => whole.format(n);
const rate = (n) => (n < 10 ? oneDigit : whole).format(n);
const percent = (share) => `${(share * 100).toLocaleString("en", { maximumFractionDigits: 1, minimumFractionDigits: 1 })}${UNIT}%`;
const weight = (n) => n.toLocaleString("en", { maximumFractionDigits: 3, minimumFractionDigits: 3 }).replace("-", "−");

/** Small shares, all with as many digits as the greatest of them asks for. */
function shares(all) {
  const greatest = Math.max(...all, 0);
  const digits = greatest >= 0.01 || greatest === 0 ? 2 : greatest >= 0.001 ? 3 : 4;
  return (share) => `${(share * 100).toFixed(digits)}${UNIT}%`;
}

function duration(seconds) {
  const s = Math.max(0, seconds);
  if (s < 0.9995) return `${Math.round(s * 1000)}${UNIT}ms`;
  if (s < 10) return `${oneDigit.format(s)}${UNIT}s`;
  if (s < 90) return `${Math.round(s)}${UNIT}s`;
  if (s < 3570) return `${Math.round(s / 60)}${UNIT}min`;
  if (s < 86400) return `${oneDigit.format(s / 3600)}${UNIT}h`;
  return `${oneDigit.format(s / 86400)}${UNIT}d`;
}

function bytes(n) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const power = n < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(n) / 10));
  return `${three.format(n / 1024 ** power)}${UNIT}${units[power]}`;
}

const seconds = (time) => Date.parse(time) / 1000;
const age = (s, time) => Math.max(0, seconds(s.now) - seconds(time));
const ago = (s, time) => `${duration(Math.round(age(s, time)))} ago`.replace(/^0\sms ago$/, "just now");

function readersHold(s) {
  return s.snapshot && s.snapshot.version ? `version ${count(s.snapshot.version)}` : "what they have";
}

function visible(s) {
  const seen = s.freshness.to_publish;
  if (s.held) return `; readers keep ${readersHold(s)}`;
  return seen ? `; readers see 95 of 100 within ${duration(seen.p95_s)}` : "";
}

function replayStory(s) {
  if (!s.replay) return "Learns recorded events; publishes nothing.";
  const left = s.replay.left_s === null ? "" : `, ${duration(s.replay.left_s)} left`;
  const at = s.replay.event_time ? `, at ${s.replay.event_time.slice(0, 16).replace("T", " ")} of the events` : "";
  return `${percent(s.replay.share)} learned, ${rate(s.replay.records_per_s)} records a second${left}${at}. Publishes nothing.`;
}

// ---- elements ----

const $ = (id) => document.getElementById(id);

/** Sets text only where it changes, so that nothing is painted or read out for nothing. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function make(name, text = "", className = "") {
  const element = document.createElement(name);
  if (text !== "") element.textContent = text;
  if (className) element.className = className;
  return element;
}

function card(id, figure, unit, note) {
  say($(id).querySelector("[data-figure]"), figure);
  say($(id).querySelector("[data-unit]"), unit);
  say($(id).querySelector("[data-note]"), note);
}

/** `columns`: heading, whether it is of numbers, whether it goes without saying to those who see. `rows`: cells of text, or elements; the first one names the row. */
function table(id, title, about, columns, rows, nothing) {
  const place = $(id);
  const content = JSON.stringify([title, about, columns, rows.map((row) => row.map((cell) => cell.outerHTML ?? cell))]);
  if (place.dataset.shown === content) return;
  place.dataset.shown = content;
  const caption = make("caption", title);
  if (about) caption.append(make("span", about, "quiet"));
  const heading = make("tr");
  for (const [text, isNumber, isUnseen] of columns) {
    const cell = make("th", "", isNumber ? "number" : "");
    cell.append(isUnseen ? make("span", text, "unseen") : text);
    cell.scope = "col";
    heading.append(cell);
  }
  const head = make("thead");
  head.append(heading);
  const body = make("tbody");
  for (const row of rows) body.append(tableRow(row, columns));
  if (!rows.length) {
    const cell = make("td", nothing, "nothing");
    cell.colSpan = columns.length;
    const only = make("tr");
    only.append(cell);
    body.append(only);
  }
  const made = make("table");
  made.append(caption, head, body);
  place.replaceChildren(made);
}

function tableRow(row, columns) {
  const line = make("tr");
  row.forEach((content, i) => {
    const cell = make(i ? "td" : "th", "", columns[i][1] ? "number" : "");
    if (!i) cell.scope = "row";
    cell.append(content);
    line.append(cell);
  });
  return line;
}

/** An id in its own writing direction, cut by the style sheet where it is long; what nobody could see is made visible. */
function itemName(id) {
  const shown = make("bdi", id.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\uFFFD"), "item");
  shown.title = shown.textContent;
  return shown;
}

function bar(share) {
  const outer = make("span", "", "bar");
  const inner = make("span");
  inner.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  outer.setAttribute("aria-hidden", "true");
  outer.append(inner);
  return outer;
}

/** A table that is wider than its place can be scrolled; then by keyboard too. */
function reachable() {
  for (const place of document.querySelectorAll(".table")) {
    const scrolls = place.scrollWidth > place.clientWidth + 1;
    if (scrolls === place.hasAttribute("tabindex")) continue;
    const name = place.querySelector("caption")?.firstChild?.textContent ?? "";
    for (const [attribute, value] of [["tabindex", "0"], ["role", "region"], ["aria-label", name]]) {
      if (scrolls) place.setAttribute(attribute, value);
      else place.removeAttribute(attribute);
    }
  }
}

// ---- sparklines ----

const WIDE = 240;
const HIGH = 44;

/** `lines`: arrays of numbers or null, at most two; `mark`: a height to be held against; `words` for a value. */
function spark(id, lines, span, words, name, mark = null, key = []) {
  const place = $(id).querySelector("[data-spark]");
  const content = JSON.stringify([lines, mark]);
  if (place.dataset.shown === content) return;
  place.dataset.shown = content;
  const known = lines.flat().filter((value) => value !== null);
  if (known.length < 2) {
    place.replaceChildren();
    return;
  }
  const top = Math.max(...known, mark ?? 0) || 1;
  const svg = shape("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", role: "img" });
  svg.setAttribute("aria-label", `${name}, the last ${span}: from ${words(Math.min(...known))} to ${words(Math.max(...known))}`);
  if (mark !== null) svg.append(shape("line", { x1: 0, x2: WIDE, y1: height(mark, top), y2: height(mark, top), class: "spark-mark" }));
  lines.forEach((line, i) => {
    for (const part of parts(line)) {
      const points = part.map(([x, value]) => `${x.toFixed(1)},${height(value, top).toFixed(1)}`);
      if (!i) svg.prepend(shape("polygon", { points: `${part[0][0].toFixed(1)},${HIGH} ${points.join(" ")} ${part.at(-1)[0].toFixed(1)},${HIGH}`, class: "spark-area" }));
      svg.append(shape("polyline", { points: points.join(" "), class: i ? "spark-line second" : "spark-line" }));
    }
  });
  const caption = make("figcaption");
  for (const [text, look] of key) caption.append(make("span", text, `key ${look}`));
  caption.append(make("span", `last ${span}`), make("span", `top ${words(top)}`));
  place.replaceChildren(svg, caption);
}

function shape(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

const height = (value, top) => HIGH - 2 - (value / top) * (HIGH - 4);

/** Runs of values without a gap, as [x, value]; a value alone is drawn as a short dash. */
function parts(line) {
  const step = WIDE / Math.max(line.length - 1, 1);
  const found = [];
  let part = [];
  for (const [i, value] of [...line, null].entries()) {
    if (value !== null) part.push([i * step, value]);
    else if (part.length) {
      if (part.length === 1) part.push([part[0][0] + Math.min(2, step / 2), part[0][1]]);
      found.push(part);
      part = [];
    }
  }
  return found;
}

// ---- the sections ----

function show(s) {
  const [stage, tone, story] = STAGES[s.stage] ?? [s.stage, "wait", () => ""];
  const isRunning = s.throughput !== null;
  say($("model"), s.worker.model);
  say($("instance"), s.worker.instance);
  say($("uptime"), ` · up ${duration(age(s, s.worker.started_at))}`);
  say($("software"), s.worker.software);
  const isBad = s.held !== null || s.is_stalled || !s.loop.is_alive;
  $("doing").dataset.tone = isBad ? "bad" : tone;
  say($("stage"), s.held ? `${stage}, versions held` : stage);
  say($("since"), `for ${duration(Math.round(age(s, s.held?.since ?? s.stage_since)))}`);
  say($("story"), needsFigures(s.stage) && !isRunning ? "" : story(s));
  document.title = `${s.held ? "Held" : stage} · ${s.worker.model} · freshrank`;
  $("progress").hidden = !s.replay;
  if (s.replay) $("progress-bar").value = s.replay.share;
  const told = notices(s);
  announce([stage, ...told].join(". "));
  for (const id of ["now", "items", "ensemble", "input"]) $(id).hidden = !isRunning;
  if (isRunning) {
    showFigures(s);
    showItems(s);
    showEnsemble(s);
    showInput(s);
  }
  showCheckpoints(s);
  reachable();
}

const needsFigures = (stage) => ["recovering", "catching_up", "live"].includes(stage);

/** What is wrong, in words; returns the headings. */
function notices(s) {
  const found = [];
  if (!s.loop.is_alive) found.push(["bad", "The loop stands still", `It has not moved for ${duration(s.loop.silent_s)}.`]);
  if (s.held) {
    const back = s.held.rolls_back_at === null ? "" : ` Learned state returns to the last good checkpoint in ${duration(seconds(s.held.rolls_back_at) - seconds(s.now))} if that lasts.`;
    found.push(["bad", "New versions are held back",
      `${HELD[s.held.reason] ?? s.held.reason}: ${s.held.detail}. Readers keep ${readersHold(s)}; learning goes on.${back}`]);
  }
  if (s.is_stalled) found.push(["bad", "No version goes out", "Events are learned, and nothing has been published for a while."]);
  if (s.weights?.muted.length) found.push(["wait", `Not heard: ${s.weights.muted.map((name) => MEMBERS[name] ?? name).join(", ")}`, "A list of it was nonsense; it is heard again once 200 sampled lists in a row were in order."]);
  if (s.weights?.longer_steps.length) found.push(["wait", "The stream has changed", "The models take longer steps for a while, to follow it."]);
  const place = $("notices");
  const content = JSON.stringify(found);
  if (place.dataset.shown !== content) {
    place.dataset.shown = content;
    place.replaceChildren(...found.map(([tone, title, text]) => {
      const notice = make("div", "", `notice ${tone}`);
      notice.append(make("strong", title), make("p", text));
      return notice;
    }));
  }
  return found.map(([, title]) => title);
}

function announce(text) {
  say($("announcement"), text);
}

function showFigures(s) {
  const seen = s.freshness.to_publish;
  const learned = s.freshness.to_update;
  card("freshness", seen ? duration(seen.p95_s) : "–", "",
    seen ? `until readers see 95 % of events, half of them within ${duration(seen.p50_s)}; learned within ${learned ? duration(learned.p95_s) : "–"}`
      : "no live event in the last minute");
  card("throughput", rate(s.throughput.events_per_s), "/s", `events, over the last ${duration(s.throughput.window_s)}`);
  const behind = s.replay ? "left of the range" : s.lag.records ? `${duration(s.lag.seconds)} behind` : "at the end of the input";
  card("lag", count(s.lag.records), "records", behind);
  for (const id of ["freshness", "version"]) $(id).hidden = !s.snapshot;
  showVersion(s);
  showQuality(s);
  const values = s.minutes.values;
  const span = duration(s.minutes.step_s * Math.max(1, values.events_per_s.length));
  spark("freshness", [values.to_publish_p95_s], span, duration, "Freshness", OBJECTIVE_S, [["1 s", "mark"]]);
  spark("throughput", [values.events_per_s], span, (n) => `${rate(n)}/s`, "Events a second");
  spark("lag", [values.lag_records], span, count, "Records behind");
}

function showVersion(s) {
  if (!s.snapshot) return; // a replay publishes nothing
  const { version, published_at: at, rows_waiting: waiting, failures } = s.snapshot;
  const notes = [at === null ? "not yet published by this process" : `published ${ago(s, at)}`];
  notes.push(waiting ? `${count(waiting)} changed rows wait for the next ones` : "no changed row waits");
  if (failures) notes.push(`${count(failures)} ${failures === 1 ? "attempt" : "attempts"} to publish failed since the start`);
  if (s.checkpoints.length) notes.push(`checkpoint saved ${ago(s, s.checkpoints[0].saved_at)}`);
  card("version", version ? count(version) : "–", "", notes.join("; "));
}

function showQuality(s) {
  const { ensemble, popularity } = s.quality.members;
  const span = duration(s.quality.window_s);
  if (!ensemble) return card("quality", "–", "", `no event was sampled in the last ${span}`);
  card("quality", percent(ensemble.hit_ratio), "",
    `${popularity ? `against ${percent(popularity.hit_ratio)} by popularity: ` : ""}next item among ${s.quality.cutoff}, ${count(ensemble.samples)} samples in ${span}`);
  const { ensemble: ours, popularity: theirs } = s.hour.values;
  spark("quality", [ours, theirs], duration(s.hour.step_s * ours.length), percent, "Hit ratio of ensemble and popularity", null, [["ensemble", ""], ["popularity", "second"]]);
}

function showItems(s) {
  const standings = s.standings;
  const top = standings?.top ?? [];
  const most = top.length ? top[0].score : 1;
  const share = shares(top.map(({ score }) => score));
  const of = standings && standings.version ? `Version ${count(standings.version)}, of ${count(standings.items)} items` : "";
  table("top", "Leading items", `Expected share of the audience’s next interactions. ${of}`,
    [["Item", false], ["Bar", false, true], ["Share", true]],
    top.map(({ item, score }) => [itemName(item), bar(score / most), share(score)]), "No item yet.");
  const rising = standings?.rising ?? [];
  const part = shares(rising.map(({ share_now: now }) => now));
  const halves = standings ? [standings.now_half_life_s, standings.usual_half_life_s].map((h) => ` (${duration(h)})`) : ["", ""];
  table("rising", "Rising", "Shares that have grown most, by the shortest half-life against the longest",
    [["Item", false], [`Now${halves[0]}`, true], [`Usual${halves[1]}`, true], ["Factor", true]],
    rising.map(({ item, share_now: now, share_usual: usual }) =>
      [itemName(item), part(now), part(usual), usual > 0 ? `× ${(now / usual).toFixed(1)}` : "new"]), "No item is rising.");
}

function showEnsemble(s) {
  const { weights, quality } = s;
  table("members", "Members", `Test-then-train over the last ${duration(quality.window_s)}`,
    [["Member", false], ["Hits", true], ["MRR", true], ["Asked", true]],
    Object.entries(quality.members).map(([name, of]) =>
      [member(name, weights.muted), percent(of.hit_ratio), weight(of.mrr), count(of.samples)]), "No event was sampled yet.");
  table("mixture", "Score", "Weights of the half-lives of popularity",
    [["Half-life", false], ["Bar", false, true], ["Weight", true]],
    weights.popularity.map(({ half_life_s: h, weight: w }) => [duration(h), bar(w), percent(w)]), "");
  table("logit", "Order of a list", "Weights of the logit that fuses the members",
    [["Feature", false], ["Of", false], ["Weight", true]],
    Object.entries(weights.logit).flatMap(([name, features]) =>
      Object.entries(features).map(([feature, w]) => [feature.replaceAll("_", " "), MEMBERS[name] ?? name, weight(w)])), "");
}

function member(name, muted) {
  const shown = make("span", MEMBERS[name] ?? name);
  if (muted.includes(name)) shown.append(" ", make("span", "not heard", "tag wait"));
  return shown;
}

function showInput(s) {
  table("partitions", "Partitions", s.lag.topic, [["Partition", false], ["Position", true], ["End", true], ["Lag", true]],
    s.lag.partitions.map((p) => [String(p.partition), count(p.position), count(p.end), count(p.lag)]), "None.");
  table("outcomes", "Records", "Since this process began, by what became of them", [["Outcome", false], ["Records", true]],
    Object.entries(s.throughput.outcomes).map(([name, n]) => [name.replaceAll("_", " "), count(n)]), "None yet.");
  const rows = Object.entries(s.state.rows).map(([kind, n]) => [STATE[kind] ?? kind, count(n)]);
  const alarms = Object.entries(s.weights.drift_alarms).map(([loss, n]) => [`Drift alarms (${loss})`, count(n)]);
  table("state", "State", "", [["What", false], ["How much", true]], [...rows, ["Memory", bytes(s.state.bytes)], ...alarms], "");
}

function showCheckpoints(s) {
  $("saved").hidden = !s.checkpoints.length;
  table("checkpoints", "Last saved", "By this process; freshrank checkpoints lists all",
    [["Version", false], ["Verdict", false], ["Saved", true], ["Took", true], ["State", true]],
    s.checkpoints.map((c) => [count(c.version), make("span", c.verdict, `tag ${{ good: "good", held: "bad" }[c.verdict] ?? ""}`),
      ago(s, c.saved_at), duration(c.seconds), bytes(c.bytes)]), "None yet.");
}

// ---- asking ----

let lastHeard = null; // when, by this browser's clock
let isPaused = false;
let isAsking = false;
let timer = 0;

async function poll() {
  clearTimeout(timer);
  if (isPaused || isAsking || document.hidden) return;
  isAsking = true;
  const status = await ask();
  isAsking = false;
  if (isPaused) return;
  timer = setTimeout(poll, status ? POLL_MS : RETRY_MS);
  if (!status) return lost();
  heard();
  show(status);
}

/** The status as it is now; null where the worker does not answer. */
async function ask() {
  const stop = new AbortController();
  const patience = setTimeout(() => stop.abort(), PATIENCE_MS);
  try {
    const answer = await fetch("status.json", { cache: "no-store", signal: stop.signal });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  } finally {
    clearTimeout(patience);
  }
}

function heard() {
  lastHeard = Date.now();
  document.body.classList.remove("lost");
  say($("contact"), `as of ${clock.format(lastHeard)}`);
}

function lost() {
  document.body.classList.add("lost");
  const since = lastHeard === null ? "No answer yet" : `Lost contact; this is from ${clock.format(lastHeard)}, ${duration(Math.round((Date.now() - lastHeard) / 1000))} ago`;
  say($("contact"), since);
  $("doing").dataset.tone = "bad";
  say($("since"), "");
  say($("stage"), "No answer from the worker");
  say($("story"), lastHeard === null ? "It is asked again every two seconds." : "What is below is the last that was heard of it. It is asked again every two seconds.");
  document.title = "No contact · freshrank";
  announce("No answer from the worker");
}

$("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  $("pause").setAttribute("aria-pressed", String(isPaused));
  say($("contact"), lastHeard === null ? "paused" : `paused at ${clock.format(Date.now())}`);
  poll();
});
document.addEventListener("visibilitychange", () => poll());
addEventListener("resize", reachable);
poll();
