"use strict";
// Where a number comes from: the list below the table is shown beside the cell that has the pointer or the focus.
const popover = document.getElementById("popover");
let shownFor = null, closing = 0;
function show(cell) {
  clearTimeout(closing);
  if (shownFor === cell) return;
  popover.replaceChildren(...[...document.getElementById(cell.dataset.from).childNodes].map(node => node.cloneNode(true)));
  popover.hidden = false;
  shownFor = cell;
  const box = cell.getBoundingClientRect(), width = popover.offsetWidth, height = popover.offsetHeight;
  const left = Math.max(8, Math.min(box.left, document.documentElement.clientWidth - width - 8));
  const below = box.bottom + 6, above = box.top - height - 6;
  popover.style.left = `${left + scrollX}px`;
  popover.style.top = `${(below + height > innerHeight && above > 0 ? above : below) + scrollY}px`;
}
function hide() { popover.hidden = true; shownFor = null; }
// Later, so that the pointer can get from the cell into the box.
function hideSoon() { clearTimeout(closing); closing = setTimeout(hide, 200); }
popover.addEventListener("pointerenter", () => clearTimeout(closing));
popover.addEventListener("pointerleave", hideSoon);
document.addEventListener("keydown", event => { if (event.key === "Escape") hide(); });
// One stop of Tab for each table; arrow keys move inside.
for (const table of document.querySelectorAll("table.scores")) {
  const rows = [...table.tBodies[0].rows].map(row => [...row.querySelectorAll("td[data-from]")]);
  const cells = rows.flat();
  for (const cell of cells) {
    cell.tabIndex = cell === cells[0] ? 0 : -1;
    cell.addEventListener("focus", () => {
      for (const other of cells) other.tabIndex = other === cell ? 0 : -1;
      show(cell);
    });
    cell.addEventListener("blur", hideSoon);
    cell.addEventListener("pointerenter", () => show(cell));
    cell.addEventListener("pointerleave", hideSoon);
  }
  table.addEventListener("keydown", event => {
    const row = rows.findIndex(cells => cells.includes(event.target));
    const step = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]}[event.key];
    if (row < 0 || !step) return;
    const next = rows[row + step[0]]?.[rows[row].indexOf(event.target) + step[1]];
    if (next) { event.preventDefault(); next.focus(); }
  });
}
// Filters: a select shows what has its value, the text field what has all its words.
for (const form of document.querySelectorAll("form[data-filters]")) {
  const list = document.getElementById(form.dataset.filters), items = [...list.querySelectorAll("[data-item]")];
  const texts = new Map(items.map(item => [item, item.textContent.toLowerCase()]));
  const apply = () => {
    const words = form.elements.text.value.toLowerCase().split(/\s+/);
    let count = 0;
    for (const item of items) {
      const fits = [...form.querySelectorAll("select")].every(({name, value}) =>
        !value || item.dataset[name].split("|").includes(value));
      item.hidden = !(fits && words.every(word => texts.get(item).includes(word)));
      count += !item.hidden;
    }
    for (const group of list.querySelectorAll(".group")) group.hidden = !group.querySelector("[data-item]:not([hidden])");
    form.querySelector("output").textContent = `${count} of ${items.length} shown`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", event => event.preventDefault());
  apply();
}
