// Which view, how often it is drawn again, and what a person commands.

import { Refused, api, token } from "./api.js";
import { el, plain } from "./dom.js";
import * as views from "./views.js";
import { ENDED } from "./words.js";

const PAUSE_MS = 1500;
const RESTING_MS = 10000;
const main = document.getElementById("main");
const connection = document.getElementById("connection");
const plans = new Map();
let drawn = "";
let timer = 0;
let turn = 0;
let notice = null;

const VIEWS = [
  [/^#\/apply\/([^/]+)$/, "Apply", showApply],
  [/^#\/database\/([^/]+)$/, "Database", showDatabase],
  [/^/, "Schema changes", showFleet],
];

async function showFleet() {
  const status = await api.status();
  const active = (status.applies || []).filter((apply) => !ENDED.has(apply.state));
  const found = await Promise.all(active.map((apply) => api.progress(apply.apply_id)));
  return [views.fleet(status, new Map(found.map((one) => [one.apply_id, one]))), active.length > 0];
}

async function showApply(id) {
  const [found, events, tries] = await Promise.all([api.progress(id), api.events(id), api.attempts(id)]);
  if (found.plan_id && !plans.has(found.plan_id)) plans.set(found.plan_id, await api.plan(found.plan_id));
  return [views.apply(found, events.logs, tries.attempts, plans.get(found.plan_id), command), !ENDED.has(found.state)];
}

async function showDatabase(name) {
  const found = await api.history(name);
  return [views.database(name, found.applies.map((one) => ({ ...one, database: name }))), false];
}

async function show() {
  clearTimeout(timer);
  const mine = ++turn;
  const [pattern, title, view] = VIEWS.find(([fits]) => fits.test(location.hash));
  let moving = true;
  try {
    const [content, alive] = await view(...(location.hash.match(pattern) || []).slice(1).map(decodeURIComponent));
    if (mine !== turn) return;
    moving = alive;
    draw(content.flat(3), title);
    say("", false);
  } catch (error) {
    if (mine !== turn) return;
    failed(error);
  }
  if (mine === turn) timer = setTimeout(show, document.hidden || !moving ? RESTING_MS : PAUSE_MS);
}

function failed(error) {
  if (!(error instanceof Refused)) return say("The daemon does not answer; trying again. What runs goes on without this page.", true);
  if (error.status === 401) {
    draw([el("h1", {}, "A token is needed"), el("p", {}, plain(error.message)), el("button", { type: "button", class: "primary", onclick: askToken }, "Enter it…")], "Token");
  } else {
    draw([el("h1", {}, "That did not work"), el("p", { class: "notice bad" }, plain(error.message)), el("p", {}, el("a", { href: "#/" }, "All changes"))], "Error");
  }
  say("", false);
}

function say(text, lost) {
  if (connection.textContent !== text) connection.textContent = text;
  connection.classList.toggle("lost", lost);
}

// Replace only when something changed, and keep what the reader opened, closed, scrolled or focused.
function draw(content, title) {
  document.title = `${title} · SchemaBot`;
  const fresh = el("div", {}, notice?.cloneNode(true), ...content);
  if (fresh.innerHTML === drawn) return;
  const kept = new Map([...main.querySelectorAll("[data-keep]")].map((found) => [found.dataset.keep, found.open]));
  const focused = document.activeElement?.dataset?.command;
  const scrolled = scrollY;
  drawn = fresh.innerHTML;
  main.replaceChildren(fresh);
  for (const found of main.querySelectorAll("[data-keep]")) if (kept.has(found.dataset.keep)) found.open = kept.get(found.dataset.keep);
  if (focused) main.querySelector(`[data-command="${focused}"]`)?.focus();
  scrollTo(0, scrolled);
}

const answered = (dialog) =>
  new Promise((done) => {
    dialog.returnValue = "";
    dialog.addEventListener("close", () => done(dialog.returnValue), { once: true });
    dialog.showModal();
  });

async function command(name, text, effect, found) {
  const dialog = document.getElementById("confirm-dialog");
  document.getElementById("confirm-title").textContent = `${text}: ${plain(found.database)} · ${plain(found.environment)}?`;
  document.getElementById("confirm-text").textContent = effect;
  document.getElementById("confirm-yes").textContent = text;
  if ((await answered(dialog)) !== "yes") return;
  try {
    const answer = await api.command(name, { apply_id: found.apply_id, database: found.database, environment: found.environment });
    const refusal = answer.accepted ? "" : answer.error_message || "refused";
    notice = el("p", { class: refusal ? "notice bad" : "notice good", role: "status" }, refusal ? `${text}: ${plain(refusal)}` : `${text}: accepted.`);
  } catch (error) {
    notice = el("p", { class: "notice bad", role: "alert" }, `${text}: ${plain(error.message)}`);
  }
  show();
}

async function askToken() {
  const text = document.getElementById("token-text");
  text.value = "";
  const answer = await answered(document.getElementById("token-dialog"));
  if (answer === "use") token.set(text.value.trim());
  if (answer === "forget") token.set("");
  if (answer) show();
}

document.getElementById("token").addEventListener("click", askToken);
addEventListener("hashchange", () => {
  notice = null;
  show().then(() => {
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  });
});
document.addEventListener("visibilitychange", () => document.hidden || show());
show();
