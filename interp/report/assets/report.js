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

// The heatmap shows the measure that is selected; a press on a cell selects it here, in the chart and in the examples.
const heatmap = document.querySelector("table.heat");
if (heatmap) {
  const measures = JSON.parse(document.querySelector("#heatmaps").textContent);
  const choice = document.querySelector("#measure");
  const buttons = [...heatmap.querySelectorAll("button")];
  const chosen = heatmap.querySelector("button.chosen") || buttons[0];
  const where = (button) => {
    const [layer, size] = button.dataset.cell.split("/");
    return `layer ${layer}, size ${size}${button === chosen ? " (chosen)" : ""}`;
  };
  const paint = () => {
    const measure = measures[choice.value];
    heatmap.caption.textContent = measure.title;
    for (const button of buttons) {
      const [text, colour, ink] = measure.cells[button.dataset.cell] || ["-", "transparent", "inherit"];
      button.textContent = text;
      button.style.background = colour;
      button.style.color = ink;
      button.setAttribute("aria-label", `${where(button)}: ${text}`);
    }
  };
  const select = (button) => {
    for (const other of buttons) {
      other.setAttribute("aria-pressed", other === button);
      other.tabIndex = other === button ? 0 : -1;  // one stop of Tab; arrows move within the heatmap
    }
    const [layer, size] = button.dataset.cell.split("/");
    const parts = [document.createElement("strong")];
    parts[0].textContent = where(button)[0].toUpperCase() + where(button).slice(1);
    measures.filter((measure) => measure.fact && measure.cells[button.dataset.cell]).forEach((measure, number) => {
      const value = document.createElement("span");
      value.className = "value";
      value.textContent = measure.cells[button.dataset.cell][0];
      parts.push(`${number ? " \u00b7" : ":"} ${measure.name} `, value);
    });
    document.querySelector("#cell").replaceChildren(...parts);
    for (const mark of document.querySelectorAll("[data-mark]")) {
      mark.classList.toggle("picked", mark.dataset.mark === button.dataset.cell);
    }
    const picker = document.querySelector("form#picker");
    if (picker) {
      picker.elements.layer.value = layer;
      picker.elements.size.value = size;
      picker.dispatchEvent(new Event("input"));
    }
  };
  const steps = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
  heatmap.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    const cell = event.target.closest("td");
    if (!step || !cell) return;
    event.preventDefault();
    const row = heatmap.tBodies[0].rows[cell.parentNode.sectionRowIndex + step[1]];
    const next = row && row.cells[cell.cellIndex + step[0]];
    const button = next && next.querySelector("button");
    if (button) button.focus();
  });
  buttons.forEach((button) => button.addEventListener("click", () => select(button)));
  choice.addEventListener("change", paint);
  paint();
  select(chosen);
  document.querySelector("p.measure").hidden = false;
  heatmap.caption.className = "paper-only";  // the list of measures shows the title on the screen
  document.querySelector(".hint").hidden = false;
}

// Sections are opened together, by a link to something in them, and on paper.
const unfold = document.querySelector("#unfold");
if (unfold) {
  const sections = [...document.querySelectorAll("details.section")];
  const label = () => {
    unfold.textContent = sections.every((section) => section.open) ? "Close all sections" : "Open all sections";
  };
  unfold.parentNode.hidden = false;
  unfold.addEventListener("click", () => {
    const open = !sections.every((section) => section.open);
    for (const section of sections) section.open = open;
  });
  for (const section of sections) section.addEventListener("toggle", label);
  const reveal = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    const section = target && target.closest("details.section");
    if (section) {
      section.open = true;
      section.scrollIntoView();
    }
  };
  addEventListener("hashchange", reveal);
  reveal();
  const folded = () => [...document.querySelectorAll("details:not([open])")];
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = folded();
    for (const part of closed) part.open = true;
  });
  addEventListener("afterprint", () => {
    for (const part of closed) part.open = false;
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
