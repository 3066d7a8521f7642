// New recovery codes: buttons to print and to copy them.

import { copyButtons } from "./copy.js";
import { element, localTimes, show } from "./page.js";

localTimes();
show("keep");
copyButtons();
element("print").addEventListener("click", () => print());
