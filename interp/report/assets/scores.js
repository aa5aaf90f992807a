"use strict";

// The list of texts is ordered and filtered by the form above it.
const form = document.querySelector("form#filters");
const list = document.querySelector("#list");
const texts = [...list.children];
const count = document.querySelector("#count");
const show = () => {
  const { order, show: mark, letters } = Object.fromEntries(new FormData(form));
  const downwards = order.startsWith("-");
  const key = order.replace("-", "");
  const sign = downwards ? -1 : 1;
  list.append(...texts.sort((a, b) => sign * (a.dataset[key] - b.dataset[key]) || a.dataset.rank - b.dataset.rank));
  const wanted = letters.trim().toLowerCase();
  for (const text of texts) {
    const marked = !mark || text.dataset.marks.split(" ").includes(mark);
    text.hidden = !(marked && text.textContent.toLowerCase().includes(wanted));
  }
  count.textContent = `${texts.filter((text) => !text.hidden).length} of ${texts.length} texts`;
};
for (const event of ["input", "change"]) form.addEventListener(event, show);
form.addEventListener("submit", (event) => event.preventDefault());
show();  // browsers restore what was chosen before
