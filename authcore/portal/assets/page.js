// What every page's script shares: its words, talking to the server, the alert
// line, local times, and the #fragment that the person had on the app.

/** What this page's scripts say, in the page's language. @type {Record<string, string | Record<string, string>>} */
const words = JSON.parse(document.getElementById("words")?.textContent || "{}");
const { lang } = document.documentElement;

/**
 * A message of the catalogue. The server finds these calls, so the key is
 * written out; args.count chooses among plurals.
 * @param {string} key @param {Record<string, string | number>} [args]
 */
export function word(key, args = {}) {
  const found = words[key] ?? key;
  const text = typeof found === "string" ? found : (found[new Intl.PluralRules(lang).select(+args.count)] ?? found.other);
  return text.replace(/\{(\w+)\}/g, (_, name) => `${args[name]}`);
}

// A language that is picked is set at once. By keyboard each press of an arrow picks
// one, so there the button sets it (WCAG 3.2.2).
const language = /** @type {HTMLSelectElement | null} */ (document.getElementById("language"));
let byKeyboard = false;
language?.addEventListener("pointerdown", () => (byKeyboard = false));
language?.addEventListener("keydown", () => (byKeyboard = true));
language?.addEventListener("change", () => byKeyboard || language.form?.requestSubmit());

// Keyboards for Arabic, Persian, Japanese and Chinese may type digits of their own
// (the last four bits are their value). The server takes none but 0 to 9.
document.addEventListener("submit", (event) => {
  const fields = /** @type {NodeListOf<HTMLInputElement>} */ (/** @type {Element} */ (event.target).querySelectorAll("input.code"));
  for (const field of fields) {
    field.value = field.value.replace(/[\u0660-\u0669\u06f0-\u06f9\uff10-\uff19]/g, (digit) => `${digit.charCodeAt(0) & 15}`);
  }
});

const { token = "", to = "" } = document.body.dataset;

/** What every path of ours begins with: "" or "/.auth". */
export const base = document.body.dataset.base ?? "";

/** Sealed return state, handed back as it came. */
export const returnTo = to;

/** A refusal, in words for the person and a code for scripts. */
export class Problem extends Error {
  /** @param {string} detail @param {string} code */
  constructor(detail, code) {
    super(detail);
    this.code = code;
  }
}

/**
 * Sends JSON to a path of ours and returns the answer.
 * @param {string} path @param {object} body @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function post(path, body, signal) {
  let response;
  try {
    response = await fetch(base + path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ form: token, ...body }),
      referrerPolicy: "same-origin", // so that Origin is sent from no-referrer pages too
      redirect: "error",
      signal,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(word("page.unreachable"), "UNREACHABLE");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  throw new Problem(answer.detail || answer.title || word("page.wrong"), answer.code || "");
}

/** Shows a sentence in the page's alert line; empty clears it. @param {string} text */
export function alertText(text) {
  element("alert").textContent = text;
}

/** @param {string} id */
export function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`#${id} is missing`);
  return found;
}

/** @param {string} id @param {boolean} [shown] */
export function show(id, shown = true) {
  const found = document.getElementById(id);
  if (found) found.hidden = !shown;
}

/**
 * Runs a press of a button: once at a time, refusals go to the alert line.
 * @param {HTMLElement} button @param {() => Promise<void>} work @param {(error: unknown) => string} explain
 */
export function onPress(button, work, explain) {
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    alertText("");
    try {
      await work();
    } catch (error) {
      alertText(explain(error));
    }
    button.removeAttribute("aria-busy");
  });
}

/** Goes on to a page that the server named, with the app's fragment. @param {string} next */
export function go(next) {
  const url = new URL(next, location.href);
  if (url.protocol !== "https:" && url.protocol !== "http:") throw new Error("not a page");
  if (!url.hash) url.hash = location.hash;
  location.assign(url.href);
}

/**
 * Hands the app's #fragment on through forms and links: browsers carry it over
 * redirects, but a form's own address has none.
 */
export function carryFragment() {
  if (!location.hash) return;
  for (const form of document.querySelectorAll("form[data-fragment]")) {
    form.setAttribute("action", form.getAttribute("action") + location.hash);
  }
  for (const link of document.querySelectorAll("a[data-fragment]")) {
    link.setAttribute("href", link.getAttribute("href") + location.hash);
  }
}

/** A moment in the person's own time zone and the page's language. @param {string} iso */
export function localTime(iso) {
  const locale = navigator.languages.find((l) => l.startsWith(lang)) ?? lang; // en-GB reads an English page its way
  return new Date(iso).toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" });
}

/** Rewrites the page's times, which the server gives in UTC. */
export function localTimes() {
  for (const time of document.querySelectorAll("time")) time.textContent = localTime(time.dateTime);
}
