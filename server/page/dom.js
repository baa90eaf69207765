// Elements from text: nothing that came from a database is ever read as HTML.

export function el(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") element.className = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false && child !== ""));
  return element;
}

const isolated = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

// What would hide or turn round the text beside it is shown by its number.
export const plain = (text) => String(text ?? "").replace(isolated, (sign) => `\\u{${sign.codePointAt(0).toString(16)}}`);

const PIECES = /(--[^\n]*|#[^\n]*|\/\*[\s\S]*?\*\/)|('(?:[^'\\]|\\.|'')*'|"(?:[^"]|"")*")|(`(?:[^`]|``)*`)|(\b\d+(?:\.\d+)?\b)|(\b[A-Z][A-Z_]+\b)/g;
const KINDS = [null, "comment", "text", null, "number", "word"];

export function sql(text) {
  const shown = plain(text);
  const code = el("code");
  let at = 0;
  for (const match of shown.matchAll(PIECES)) {
    const kind = KINDS[match.slice(1).findIndex((group) => group !== undefined) + 1];
    code.append(shown.slice(at, match.index), kind ? el("span", { class: `sql-${kind}` }, match[0]) : match[0]);
    at = match.index + match[0].length;
  }
  code.append(shown.slice(at));
  return el("pre", { tabindex: "0" }, code);
}
