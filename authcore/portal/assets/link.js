// The landing page of a mailed link or an invitation. The secret is in the
// fragment, which no server sees: it leaves the address bar first, then is shown
// to the server without being spent, and is spent by a press only (ML-4, ML-5, ML-7).

import { Problem, go, localTime, onPress, post, word } from "./page.js";

const secret = location.hash.slice(1);
history.replaceState(null, "", location.pathname);

// The link once more in the same tab changes the fragment alone: begin anew.
addEventListener("hashchange", () => location.reload());

// In another language it is the same link: the secret comes along as it came,
// in a fragment.
const language = document.getElementById("language-form");
language?.setAttribute("action", `${language.getAttribute("action")}#${secret}`);

const root = /** @type {HTMLElement} */ (document.getElementById("mailed"));
const path = root.dataset.path ?? "";

/** Fills every place that shows a value. @param {string} name @param {string} text */
function fill(name, text) {
  for (const place of root.querySelectorAll(`[data-fill="${name}"]`)) place.textContent = text;
}

/** Shows one state of the page and moves on to its heading. @param {string} state */
function enter(state) {
  for (const section of root.querySelectorAll("section")) {
    section.hidden = section.dataset.state !== state;
    if (!section.hidden && section.dataset.title) document.title = section.dataset.title;
  }
  /** @type {HTMLElement | null} */ (root.querySelector(`[data-state="${state}"] h1`))?.focus();
}

async function open() {
  if (!secret) {
    throw new Problem(word("link.forgotten"), "");
  }
  const about = await post(`${path}/peek`, { token: secret });
  fill("email", about.email);
  fill("device", about.device ?? "");
  fill("what", about.what ?? "");
  fill("requested_at", about.requested_at ? localTime(about.requested_at) : "");
  fill("current_user", about.current_user ?? "");
  for (const warning of root.querySelectorAll("[data-other]")) {
    /** @type {HTMLElement} */ (warning).hidden = !about.current_user || about.current_user === about.email;
  }
  for (const part of root.querySelectorAll("[data-with], [data-without]")) {
    const { with: needs = "", without = "" } = /** @type {HTMLElement} */ (part).dataset;
    /** @type {HTMLElement} */ (part).hidden = needs ? !about[needs] : Boolean(about[without]);
  }
  enter(about.same_browser === false && root.querySelector('[data-state="elsewhere"]') ? "elsewhere" : (about.state ?? "here"));
}

/** Says why there is nothing to press any more. @param {unknown} error */
function fail(error) {
  fill("problem", error instanceof Problem ? error.message : word("link.wrong"));
  enter("failed");
}

async function spend() {
  go((await post(path, { token: secret })).next);
}

/** A press that never arrived may be repeated. @param {unknown} error */
function refused(error) {
  if (error instanceof Problem && ["UNREACHABLE", "RATE_LIMITED", "UNAVAILABLE"].includes(error.code)) return error.message;
  fail(error);
  return "";
}

for (const button of root.querySelectorAll("button")) onPress(button, spend, refused);
for (const part of root.querySelectorAll(".script")) /** @type {HTMLElement} */ (part).hidden = false;
open().catch(fail);
