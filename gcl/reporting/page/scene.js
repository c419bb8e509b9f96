"use strict";
// One stop of Tab for each line of tokens; arrow keys, Home and End move inside, and Esc leaves.
for (const line of document.querySelectorAll(".tokens")) {
  const tokens = [...line.children];
  const enter = token => { for (const other of tokens) other.tabIndex = other === token ? 0 : -1; };
  enter(tokens[0]);
  for (const token of tokens) token.addEventListener("focus", () => enter(token));
  line.addEventListener("keydown", event => {
    const at = tokens.indexOf(document.activeElement), last = tokens.length - 1;
    if (event.key === "Escape") document.activeElement.blur();
    const to = {ArrowLeft: at - 1, ArrowUp: at - 1, ArrowRight: at + 1, ArrowDown: at + 1, Home: 0, End: last}[event.key];
    if (to !== undefined && tokens[to]) { event.preventDefault(); tokens[to].focus(); }
  });
}
