// Buttons that copy what stands beside them and is shown once.

import { element, word } from "./page.js";

/** Brings the page's copy buttons to life; where the browser has no clipboard, they go. */
export function copyButtons() {
  for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("[data-copy]"))) {
    if (!navigator.clipboard) {
      button.remove();
      continue;
    }
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(element(button.dataset.copy ?? "").innerText.replaceAll(" ", "").trim()); // a key is spaced for reading
        button.textContent = word("copy.done");
      } catch {
        getSelection()?.selectAllChildren(element(button.dataset.copy ?? "")); // not allowed: ready to be copied by hand
      }
    });
  }
}
