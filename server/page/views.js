// What is on the page: the fleet, one apply, one database.

import { el, plain, sql } from "./dom.js";
import { ENDED, STRATEGIES, ago, clock, count, due, lasting, stateOf } from "./words.js";

const link = (href, text) => el("a", { href }, plain(text));
const applyLink = (id, text) => link(`#/apply/${encodeURIComponent(id)}`, text || id);
const databaseLink = (name) => link(`#/database/${encodeURIComponent(name)}`, name);

function badge(state) {
  const [text, colour] = stateOf(state);
  return el("span", { class: `badge ${colour}` }, text);
}

const attempts = (apply) =>
  apply.state === "failed_retryable"
    ? `attempt ${Math.min(apply.attempt + 1, apply.max_attempts)} of ${apply.max_attempts}, next ${apply.next_attempt_at ? due(apply.next_attempt_at) : "soon"}`
    : "";

export function fleet(status, progress) {
  const applies = status.applies || [];
  const tally = (...states) => applies.filter((apply) => states.includes(apply.state)).length;
  const tiles = [
    ["Active", status.active_count],
    ["Retrying", tally("failed_retryable")],
    ["Waiting for cutover", tally("waiting_for_cutover")],
    ["Stopped", tally("stopped")],
    ["Failed", tally("failed")],
  ];
  const active = applies.filter((apply) => !ENDED.has(apply.state));
  const ended = applies.filter((apply) => ENDED.has(apply.state));
  return [
    el("h1", {}, "Schema changes"),
    el("ul", { class: "tiles", "aria-label": "Of the latest 20" }, tiles.map(([name, number]) => el("li", {}, el("strong", {}, count(number)), name))),
    el("h2", {}, "Now"),
    active.length
      ? active.map((apply) => card(apply, progress.get(apply.apply_id)))
      : el("p", { class: "quiet-text" }, "Nothing is being changed. Start with: ", el("code", {}, "schemabot plan -s schema -e staging")),
    el("h2", {}, "Ended"),
    ended.length ? table(ended) : el("p", { class: "quiet-text" }, "Nothing yet."),
  ];
}

function card(apply, progress) {
  return el("section", { class: "card", "aria-label": `${plain(apply.database)} ${plain(apply.environment)}` },
    el("div", { class: "row" },
      el("h3", { class: "wide" }, applyLink(apply.apply_id, `${apply.database} · ${apply.environment}`)),
      badge(apply.state)),
    el("p", { class: "quiet-text small" }, `by ${plain(apply.caller)}, changed ${ago(apply.updated_at)}`, attempts(apply) && ` · ${attempts(apply)}`),
    (progress?.tables || []).filter((found) => !ENDED.has(found.status)).slice(0, 5).map(bar));
}

const table = (applies) =>
  el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Ended applies" }, el("table", {},
    el("thead", {}, el("tr", {}, ["Apply", "Database", "Environment", "State", "By", "Ended"].map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, applies.map((apply) => el("tr", {},
      el("td", {}, applyLink(apply.apply_id)),
      el("td", {}, apply.database ? databaseLink(apply.database) : ""),
      el("td", {}, plain(apply.environment)),
      el("td", {}, badge(apply.state), apply.error ? el("div", { class: "small" }, plain(apply.error)) : ""),
      el("td", {}, plain(apply.caller)),
      el("td", {}, apply.completed_at ? el("time", { datetime: apply.completed_at }, clock(apply.completed_at)) : ""))))));

function bar(found) {
  const [, colour] = stateOf(found.status);
  const rows = found.rows_total ? `${count(found.rows_copied)} of ${count(found.rows_total)} rows` : "";
  const facts = [
    `${found.percent_complete} %`,
    rows,
    found.rows_per_second ? `${count(found.rows_per_second)} rows/s` : "",
    found.eta_seconds ? `about ${lasting(found.eta_seconds)} left` : "",
    plain(found.detail),
  ].filter(Boolean);
  const name = plain(found.keyspace ? `${found.keyspace}.${found.table_name}` : found.table_name);
  return el("div", {},
    el("progress", { class: colour, max: "100", value: String(found.percent_complete), "aria-label": `${name}: ${found.percent_complete} percent` }),
    el("p", { class: "small quiet-text" }, el("strong", {}, name), ` ${facts.join(" · ")}`));
}

export function apply(found, events, tries, plan, command) {
  return [
    el("p", { class: "small" }, link("#/", "All changes"), " / ", databaseLink(found.database)),
    el("div", { class: "row" }, el("h1", { class: "wide" }, plain(`${found.database} · ${found.environment}`)), badge(found.state)),
    facts(found),
    found.error_message ? el("p", { class: found.state === "failed" ? "notice bad" : "notice" }, plain(found.error_message)) : "",
    buttons(found, command),
    el("h2", {}, "Tables"),
    (found.tables || []).length ? found.tables.map((one) => tableCard(one, plan)) : el("p", { class: "quiet-text" }, "Nothing to change."),
    plan ? findings(plan.lint_violations) : "",
    el("h2", {}, "What happened"),
    el("ol", { class: "timeline" }, [...events].reverse().map(event)),
    tries.length ? ownerships(tries) : "",
  ];
}

function facts(found) {
  const pairs = [
    ["Apply", found.apply_id],
    ["Engine", found.engine],
    ["By", found.caller || "cli"],
    ["Begun", found.started_at ? clock(found.started_at) : "not yet"],
    ["Ended", found.completed_at ? clock(found.completed_at) : ""],
    ["Took", found.started_at && found.completed_at ? lasting((Date.parse(found.completed_at) - Date.parse(found.started_at)) / 1000) : ""],
    ["Attempt", attempts(found)],
    ["Options", Object.keys(found.options || {}).join(", ")],
    ["Now", found.summary],
  ];
  return el("dl", { class: "facts" }, pairs.filter(([, text]) => text).flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, plain(text))]));
}

const COMMANDS = {
  cutover: ["Cut over", "primary", ["waiting_for_cutover"], "The new tables become the live ones. Writers wait for a moment."],
  start: ["Start again", "primary", ["stopped"], "The change goes on from where it was stopped."],
  stop: ["Stop", "", ["pending", "running", "waiting_for_cutover", "failed_retryable"], "The change pauses at its next checkpoint. Nothing is lost; start it again when you like."],
  cancel: ["Cancel", "danger", ["pending", "running", "waiting_for_cutover", "failed_retryable", "stopped"], "The change is given up and what it made so far is removed. Tables that are changed already stay changed."],
};

function buttons(found, command) {
  const fitting = Object.entries(COMMANDS).filter(([, [, , states]]) => states.includes(found.state));
  if (!fitting.length) return "";
  return el("div", { class: "buttons", role: "group", "aria-label": "Commands" }, fitting.map(([name, [text, style, , effect]]) =>
    el("button", { type: "button", class: style, "data-command": name, onclick: () => command(name, text, effect, found) }, text)));
}

function tableCard(found, plan) {
  const change = plan && plannedChange(plan, found);
  const strategy = STRATEGIES[found.strategy] || found.strategy;
  return el("section", { class: "card", "aria-label": `table ${plain(found.table_name)}` },
    el("div", { class: "row" },
      el("h3", { class: "wide" }, plain(found.table_name)),
      el("span", { class: "small quiet-text" }, [found.change_type, strategy].filter(Boolean).join(", ")),
      badge(found.status)),
    ENDED.has(found.status) || found.status === "pending" ? "" : bar(found),
    found.error_message ? el("p", { class: "notice bad" }, plain(found.error_message)) : "",
    el("details", { open: true, "data-keep": `ddl ${found.task_id || found.table_name}` },
      el("summary", {}, "Statement"),
      sql(found.ddl),
      change?.lock ? el("p", { class: "small quiet-text" }, plain(change.lock)) : "",
      change?.is_unsafe ? el("p", { class: "notice" }, `Unsafe, and allowed: ${plain(change.unsafe_reason)}`) : ""));
}

function plannedChange(plan, found) {
  const all = plan.changes.flatMap((namespace) => namespace.table_changes || []);
  return all.find((change) => change.table_name === found.table_name && (change.namespace || "") === (found.keyspace || ""));
}

const COLOURS = { blocked: "red", error: "red", warning: "yellow", info: "blue" };

function findings(found) {
  if (!found.length) return "";
  return [
    el("h2", {}, "Findings of the plan"),
    el("ul", { class: "card findings" }, found.map((one) => {
      const severity = one.severity_detail || one.severity;
      const place = [one.table, one.column].filter(Boolean).join(".");
      return el("li", {},
        el("span", { class: `badge ${COLOURS[severity] || "grey"}` }, severity), " ",
        place ? el("strong", {}, `${plain(place)}: `) : "", plain(one.message),
        one.file ? el("span", { class: "quiet-text small" }, ` ${plain(one.file)}:${one.line}`) : "");
    })),
  ];
}

const event = (one) =>
  el("li", { class: one.level }, el("time", { datetime: one.created_at, title: one.created_at }, clock(one.created_at)), el("span", {}, plain(one.message)));

const ownerships = (tries) => [
  el("h2", {}, "Who drove it"),
  el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Who drove it" }, el("table", {},
    el("thead", {}, el("tr", {}, ["Fence", "Attempt", "Worker", "From", "To", "Outcome"].map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, tries.map((one) => el("tr", {},
      el("td", {}, String(one.fence)), el("td", {}, String(one.attempt)), el("td", {}, el("code", {}, plain(one.owner))),
      el("td", {}, clock(one.claimed_at)), el("td", {}, one.ended_at ? clock(one.ended_at) : ""),
      el("td", {}, plain(one.outcome || "at work"))))))),
];

export const database = (name, applies) => [
  el("p", { class: "small" }, link("#/", "All changes")),
  el("h1", {}, plain(name)),
  applies.length ? table(applies) : el("p", { class: "quiet-text" }, "No change of this database is known here."),
];
