// New recovery codes: a button to print them.

import { element, localTimes, show } from "./page.js";

localTimes();
show("print");
element("print").addEventListener("click", () => print());
