"use strict";

// Tables are sorted by the buttons in their heads; a row's cells hold what they are sorted by in data-value.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const downwards = head.getAttribute("aria-sort") === "ascending";
      const value = (row) => {
        const number = parseFloat(row.cells[column].dataset.value);
        return Number.isNaN(number) ? (downwards ? -Infinity : Infinity) : number;  // what is not defined comes last
      };
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        if (head.dataset.words !== undefined) {
          return a.cells[column].textContent.localeCompare(b.cells[column].textContent) * (downwards ? -1 : 1);
        }
        return (value(a) - value(b) || 0) * (downwards ? -1 : 1);
      });
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", downwards ? "descending" : "ascending");
      table.tBodies[0].append(...rows);
    });
  });
}

// The examples show the cell and the route that the form names.
const form = document.querySelector("form#picker");
if (form) {
  const data = JSON.parse(document.querySelector("#attributions").textContent);
  const status = document.querySelector("#picked");
  const shade = (value) => {
    const strength = value !== null && data.reach > 0 ? Math.min(1, Math.abs(value) / data.reach) : 0;
    const full = value >= 0 ? data.positive : data.negative;
    return "rgb(" + full.map((part) => Math.round(255 * (1 - strength * (1 - part)))).join(" ") + ")";
  };
  const signed = (value) => value === null
    ? "-" : (value < 0 || Object.is(value, -0) ? "\u2212" : "+") + Math.abs(value).toFixed(3);
  const show = () => {
    const chosen = new FormData(form);
    const [layer, size, seed] = ["layer", "size", "seed"].map((name) => chosen.get(name));
    const cell = data.cells[`${layer}/${size}/${seed}`];
    status.textContent = cell
      ? `Layer ${layer} (block ${layer - 1}), size ${size}, seed ${seed}, ${chosen.get("route")}`
      : `There is no cell at layer ${layer}, size ${size}, seed ${seed}.`;
    document.querySelector("#examples").hidden = !cell;
    if (!cell) return;
    document.querySelectorAll("[data-text]").forEach((text) => {
      const example = cell[text.dataset.text];
      text.querySelectorAll("ruby").forEach((word, place) => {
        const value = example[chosen.get("route")][place];
        word.firstElementChild.style.background = shade(value);
        word.lastElementChild.textContent = signed(value);
      });
    });
    document.querySelectorAll("[data-swap]").forEach((place) => {
      const swap = cell[place.dataset.swap].swap;
      document.querySelector(`[data-score="${place.dataset.swap}"]`).textContent = signed(swap.base);
      place.querySelector(".before").textContent = signed(swap.base);
      place.querySelector(".after").textContent = signed(swap.counterfactual);
      place.querySelector(".source").textContent = swap.source;
    });
  };
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  show();  // browsers restore what was chosen before
}
