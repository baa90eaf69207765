// Words and numbers for people.

const STATES = {
  pending: ["Waiting to start", "grey"],
  running: ["Running", "blue"],
  waiting_for_cutover: ["Waiting for cutover", "yellow"],
  cutting_over: ["Cutting over", "blue"],
  revert_window: ["Revert window", "yellow"],
  completed: ["Completed", "green"],
  failed: ["Failed", "red"],
  failed_retryable: ["Retrying", "yellow"],
  stopped: ["Stopped", "orange"],
  cancelled: ["Cancelled", "orange"],
  reverted: ["Reverted", "orange"],
};

export const ENDED = new Set(["completed", "failed", "cancelled", "reverted"]);

export const stateOf = (state) => STATES[state] || [state.replaceAll("_", " "), "blue"];

export const count = (number) => Number(number || 0).toLocaleString("en-US");

export function lasting(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [days, hours, minutes] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  if (minutes) return `${minutes} min ${whole % 60} s`;
  return `${whole} s`;
}

export function ago(stamp) {
  const seconds = (Date.now() - Date.parse(stamp)) / 1000;
  return seconds < 5 ? "just now" : `${lasting(seconds)} ago`;
}

export function due(stamp) {
  const seconds = (Date.parse(stamp) - Date.now()) / 1000;
  return seconds <= 0 ? "now" : `in ${lasting(seconds)}`;
}

export const clock = (stamp) => new Date(stamp).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });

export const STRATEGIES = {
  instant: "instant",
  in_place: "in place",
  direct: "direct",
  online: "online copy",
};
