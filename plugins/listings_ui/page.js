// The live table, the height of the report, and links that lead out of the frame in which Airflow shows the page.
"use strict";

const POLL = 10_000;
const STAGES = ["landed", "clean", "loaded", "reported"];
const WORDS = { done: "Done", active: "Under way", waiting: "Waiting", failed: "Failed", unknown: "Not known", none: "–" };
const RANK = { failed: 0, active: 1, waiting: 2, unknown: 3, none: 4, done: 5 };
const EXPLAINED_AT_ONCE = 40;
const number = new Intl.NumberFormat("en-US");

document.documentElement.classList.add("scripted");

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

// Airflow's page about a run or a task: relative, as Airflow's address may have a path.
function address(where) {
  let path = `../dags/${encodeURIComponent(where.dag_id)}/runs/${encodeURIComponent(where.run_id)}`;
  if (where.task_id) path += `/tasks/${encodeURIComponent(where.task_id)}`;
  if (where.task_id && where.map_index >= 0) path += `/mapped/${where.map_index}`;
  return path;
}

function clock(iso, date) {
  return iso.slice(0, 10) === date ? iso.slice(11, 16) : `${iso.slice(0, 10)} ${iso.slice(11, 16)}`;
}

// ---- why a task failed -------------------------------------------------------------------------------------------

const reasons = new Map();
const asking = [];
let asked = 0;

async function explain() {
  if (asked >= 2 || asking.length === 0) return;
  asked += 1;
  const { key, where } = asking.shift();
  try {
    const query = new URLSearchParams({
      dag_id: where.dag_id, run_id: where.run_id, task_id: where.task_id,
      map_index: where.map_index, try_number: where.try_number,
    });
    const answer = await fetch(`api/reason?${query}`);
    const said = await answer.json();
    const known = answer.ok || answer.status === 404;
    reasons.set(key, answer.ok ? said : { first: known ? said.detail : "Open the task to see why.", text: "" });
  } catch {
    reasons.delete(key);
  }
  asked -= 1;
  for (const place of document.querySelectorAll(".why")) {
    if (place.dataset.key === key) fillReason(place);
  }
  explain();
}

function fillReason(place) {
  const said = reasons.get(place.dataset.key);
  if (!said || said === "asked") return;
  const open = place.querySelector("details")?.open ?? false;
  const more = said.text.trim() !== said.first.trim() && said.text;
  const shown = more
    ? make("details", {}, make("summary", {}, said.first), make("p", {}, said.text))
    : make("span", {}, said.first);
  if (more) shown.open = open;
  place.replaceChildren(shown);
}

function why(where) {
  const key = JSON.stringify(where);
  const place = make("div", { class: "why note", "data-key": key }, "Asking why …");
  if (reasons.has(key)) {
    fillReason(place);
  } else if (reasons.size < EXPLAINED_AT_ONCE) {
    reasons.set(key, "asked");
    asking.push({ key, where });
    queueMicrotask(explain);
  } else {
    const ask = make("button", { type: "button" }, "Why?");
    ask.addEventListener("click", () => { reasons.set(key, "asked"); asking.push({ key, where }); explain(); });
    place.replaceChildren(ask);
  }
  return place;
}

// ---- the table ---------------------------------------------------------------------------------------------------

function cellOf(stage, cell, date) {
  const counted = cell.state === "done" && cell.count !== null;
  const text = counted ? number.format(cell.count) : WORDS[cell.state];
  const said = counted ? [text, make("span", { class: "unseen" }, " listings, done")] : [text];
  const what = cell.where
    ? make("a", { class: "what", href: address(cell.where), target: "_top" }, ...said)
    : make("span", { class: "what" }, ...said);
  const note = [cell.note, cell.at && clock(cell.at, date)].filter(Boolean).join(" · ");
  const failed = cell.state === "failed" && cell.where?.task_id;
  return make("td", { role: "cell", "data-stage": stage[0].toUpperCase() + stage.slice(1), class: failed ? "wide-cell" : null },
    make("div", { class: `cell ${cell.state}`, title: cell.set && `Set ${cell.set}` }, what,
      note ? make("span", { class: "note" }, note) : "",
      failed ? why(cell.where) : ""));
}

function rowOf(row, date) {
  return make("tr", { role: "row" },
    make("th", { scope: "row", role: "rowheader" }, row.market, make("span", { class: "note" }, row.source)),
    ...STAGES.map((stage) => cellOf(stage, row.cells[stage], date)));
}

const sorting = { by: "market", ascending: true };

function compare(one, other) {
  const names = one.market.localeCompare(other.market) || one.source.localeCompare(other.source);
  const [a, b] = [one.cells[sorting.by], other.cells[sorting.by]];
  const by = sorting.by === "market" ? names : RANK[a.state] - RANK[b.state] || (a.count ?? 0) - (b.count ?? 0);
  return (sorting.ascending ? by : -by) || names;
}

const drawn = new Map(); // By what it shows: elements stay as they are while nothing in them changed.

function kept(key, content, create) {
  const found = drawn.get(key);
  const text = JSON.stringify(content);
  if (found?.text === text) return found.element;
  const element = create();
  drawn.set(key, { text, element });
  return element;
}

function place(parent, wanted) {
  wanted.forEach((element, index) => {
    if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] ?? null);
  });
  while (parent.children.length > wanted.length) parent.lastElementChild.remove();
}

function groupOf(day) {
  const body = kept(`group ${day.date}`, "", () => make("tbody", { role: "rowgroup" }));
  const done = day.rows.filter((row) => row.cells.loaded.state === "done").length;
  const heading = kept(`date ${day.date}`, [done, day.rows.length, day.notices], () => {
    const count = day.rows.length ? `${done} of ${day.rows.length} in the warehouse` : "";
    const cell = make("th", { scope: "rowgroup", role: "rowheader", colspan: 5 }, day.date,
      make("span", { class: "note" }, count));
    for (const notice of day.notices) {
      cell.append(make("div", { class: "cell failed" },
        make("a", { class: "what", href: address(notice.where), target: "_top" }, "An extraction was not planned"),
        why(notice.where)));
    }
    return make("tr", { role: "row", class: "date" }, cell);
  });
  const rows = [...day.rows].sort(compare);
  place(body, [heading, ...rows.map((row) => kept(`row ${day.date} ${row.source}/${row.market}`, row, () => rowOf(row, day.date)))]);
  return body;
}

const at = (id) => document.getElementById(id);
let shown = null;

function drawLast(last) {
  const line = at("run");
  line.hidden = !last;
  if (!last) return;
  const parts = [`${last.landed} of ${last.planned} market${last.planned === 1 ? "" : "s"} landed`, `${number.format(last.listings)} listings`];
  if (last.failed) parts.push(`${last.failed} failed`);
  line.replaceChildren("Last extraction ",
    make("a", { href: address(last.where), target: "_top" }, `of ${last.date}`), `: ${last.state}, ${parts.join(", ")}.`);
}

function draw() {
  const { days, last, paused, forbidden, trouble } = shown;
  const notes = [];
  if (forbidden) notes.push("You may read none of the pipeline's DAGs; whoever runs Airflow gives the permission.");
  const stopped = paused.filter((dag) => dag !== "extract_listings");
  if (stopped.length) notes.push(`Paused, so nothing goes on there: ${stopped.join(", ")}.`);
  if (trouble && !at("trouble")) notes.push(`${trouble} Which reports there are is not known.`);
  place(at("notes"), notes.map((words) => kept(`note ${words}`, words, () => make("p", { class: "notice" }, words))));
  drawLast(last);
  at("wait").hidden = true;
  at("empty").hidden = days.length > 0 || forbidden;
  const table = at("live");
  table.hidden = days.length === 0;
  place(table, [table.caption, table.tHead, ...days.map(groupOf)]);
}

let tag = null;

async function refresh() {
  const state = at("state");
  try {
    const answer = await fetch(`api/progress?days=${at("live").dataset.days}`,
      { cache: "no-store", headers: tag ? { "If-None-Match": tag } : {} });
    if (answer.status === 401 || answer.status === 403) {
      state.replaceChildren("You are logged out. ", make("a", { href: "" }, "Log in again"), ".");
      state.hidden = false;
      return;
    }
    if (answer.status !== 304) {
      if (!answer.ok) throw new Error((await answer.json()).detail);
      const said = await answer.json();
      shown = said;
      tag = answer.headers.get("ETag");
      draw();
    }
    state.hidden = true;
    at("fresh").textContent = `Read at ${new Date().toISOString().slice(11, 19)}, and again every ten seconds.`;
  } catch (fault) {
    state.textContent = `The table is not fresh: ${fault.message || "Airflow does not answer"}. It is asked for again.`;
    state.hidden = false;
  }
}

function watch() {
  for (const button of document.querySelectorAll("[data-sort]")) {
    button.addEventListener("click", () => {
      sorting.ascending = sorting.by === button.dataset.sort ? !sorting.ascending : true;
      sorting.by = button.dataset.sort;
      for (const head of document.querySelectorAll("thead th")) head.removeAttribute("aria-sort");
      button.closest("th").setAttribute("aria-sort", sorting.ascending ? "ascending" : "descending");
      if (shown) draw();
    });
  }
  refresh();
  setInterval(() => { if (!document.hidden) refresh(); }, POLL);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
}

// ---- frames ------------------------------------------------------------------------------------------------------

// Airflow shows the page in a frame that may neither leave it nor open a window; a link of the page around may.
function leaveFrame(event) {
  const link = event.target.closest?.("a[target]");
  if (!link || window.parent === window || event.defaultPrevented) return;
  const apart = link.target === "_blank" || event.ctrlKey || event.metaKey || event.shiftKey;
  try {
    const outer = window.parent.document;
    const twin = outer.createElement("a");
    twin.href = link.href;
    twin.rel = "noopener";
    if (apart) twin.target = "_blank";
    outer.body.append(twin);
    twin.click();
    twin.remove();
    event.preventDefault();
  } catch {
    // The page around is another's: the link does what the frame allows.
  }
}

document.addEventListener("click", leaveFrame);
addEventListener("message", (event) => {
  const frame = at("report");
  const height = Number(event.data?.listingsReportHeight);
  if (!frame || event.source !== frame.contentWindow || !Number.isFinite(height)) return;
  frame.style.height = `${Math.min(Math.max(height, 300), 60_000)}px`;
});
at("date")?.addEventListener("change", (event) => event.target.form.requestSubmit());
if (at("live")) watch();
