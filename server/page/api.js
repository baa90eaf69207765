// The daemon's JSON API, with the tab's token.

const TOKEN = "schemabot-token";

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

export const token = {
  get: () => sessionStorage.getItem(TOKEN) || "",
  set: (text) => (text ? sessionStorage.setItem(TOKEN, text) : sessionStorage.removeItem(TOKEN)),
};

async function call(path, options = {}) {
  const headers = { ...options.headers };
  if (token.get()) headers.Authorization = `Bearer ${token.get()}`;
  const answer = await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit" });
  const text = await answer.text();
  let body = {};
  try {
    body = JSON.parse(text);
  } catch {
    if (answer.ok) throw new Refused(answer.status, "the daemon's answer is not JSON");
  }
  if (!answer.ok) throw new Refused(answer.status, body.error || text || `status ${answer.status}`);
  return body;
}

const part = encodeURIComponent;

export const api = {
  status: () => call("/api/status"),
  progress: (id) => call(`/api/progress/apply/${part(id)}`),
  events: (id) => call(`/api/logs?limit=200&apply_id=${part(id)}`),
  attempts: (id) => call(`/api/attempts/${part(id)}`),
  plan: (id) => call(`/api/plan/${part(id)}`),
  history: (database) => call(`/api/history/${part(database)}`),
  command: (name, body) =>
    call(`/api/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...body, caller: "web page" }),
    }),
};
