"use strict";

const study = JSON.parse(document.querySelector("#study").textContent);
const words = study.words;
const main = document.querySelector("main");
const notice = document.querySelector("#notice");
const mine = `study-${study.id}-${study.form}`; // key of the code of the last participant
const total = study.screens.length;
const places = ["first", "second"];
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
const asked = (place) => (study.screens[place].rated === undefined ? [] : Object.keys(words.questions));

// --- storage in the browser, separate for each code

const read = (name) => {
  try {
    return JSON.parse(localStorage.getItem(name));
  } catch {
    return null;
  }
};
const write = (name, value) => {
  try {
    localStorage.setItem(name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
};
const forget = (name) => {
  try {
    localStorage.removeItem(name);
  } catch {
    // the storage is not available
  }
};
const keyOf = (code) => `${mine}-${code}`;
const fresh = (code = "") => ({ code, place: code ? "how" : "consent", answers: {}, seconds: {} });
const stored = (code) => {
  // damaged answers are left out
  const saved = read(keyOf(code));
  const state = fresh(code);
  if (saved === null || typeof saved !== "object") return state;
  study.screens.forEach((_, place) => {
    const { choice = null, ratings = {} } = saved.answers?.[place] ?? {};
    const kept = asked(place).filter((name) => [1, 2, 3, 4, 5].includes(ratings?.[name]));
    if (!places.includes(choice) && kept.length === 0) return;
    state.answers[place] = {
      choice: places.includes(choice) ? choice : null,
      ratings: Object.fromEntries(kept.map((name) => [name, ratings[name]])),
    };
    const seconds = saved.seconds?.[place];
    if (Number.isFinite(seconds) && seconds >= 0) state.seconds[place] = seconds;
  });
  const { place } = saved;
  if (place === "end" || (Number.isInteger(place) && place >= 0 && place < total)) state.place = place;
  return state;
};
let state = fresh();
const keep = () => write(keyOf(state.code), state) && write(mine, state.code);
const last = read(mine);
const earlier = study.codes.includes(last) && read(keyOf(last)) !== null ? last : null;

// --- elements

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") element.addEventListener("click", value);
    else if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
};
const heading = (text) => make("h1", { tabindex: "-1" }, text);
const paragraphs = (text) => text.split("\n\n").map((part) => make("p", {}, part));
const quote = (text) => make("p", { class: "text", lang: study.textLanguage, dir: "auto" }, text);
const button = (text, onclick, more = {}) => make("button", { type: "button", onclick, ...more }, text);
const choices = (name, legend, options, chosen, record) => {
  const set = make("fieldset", { class: name === "choice" ? "choice" : "scale" }, make("legend", {}, legend));
  for (const [value, label] of options) {
    const input = make("input", { type: "radio", name, value, id: `${name}-${value}`, checked: String(chosen) === String(value) });
    input.addEventListener("change", () => record(value));
    set.append(make("div", {}, input, make("label", { for: input.id }, label)));
  }
  return set;
};

// --- screens

let since = performance.now();
const settle = (inView) => {
  // seconds that the screen was in view
  if (typeof state.place === "number" && inView) {
    state.seconds[state.place] = (state.seconds[state.place] ?? 0) + (performance.now() - since) / 1000;
  }
  since = performance.now();
};
const draw = () => {
  const { place } = state;
  main.replaceChildren(...(typeof place === "number" ? question(place) : screens[place]()));
};
const show = (place, note = "") => {
  settle(!document.hidden);
  state.place = place;
  const safe = !state.code || keep();
  draw();
  notice.textContent = safe ? note : words.no_storage;
  const top = main.querySelector("h1");
  document.title = `${top.textContent} – ${words.title}`;
  window.scrollTo(0, 0);
  top.focus();
};

const screens = {
  resume: () => [
    heading(words.resume_heading),
    make("p", {}, fill(words.resume, { code: earlier })),
    make(
      "div",
      { class: "buttons" },
      button(fill(words.resume_yes, { code: earlier }), () => begin(earlier), { class: "main" }),
      button(words.resume_no, () => show("consent")),
    ),
  ],

  consent: () => {
    const agree = make("input", { type: "checkbox", id: "agree" });
    const code = make("input", {
      type: "text", id: "code", autocomplete: "off", autocapitalize: "characters", spellcheck: "false",
      "aria-describedby": "code-hint problem",
    });
    const problem = make("p", { role: "alert", class: "problem", id: "problem" });
    const tick = make("div", { class: "line" }, agree, make("label", { for: "agree" }, words.agree));
    const line = make(
      "div",
      {},
      make("label", { for: "code" }, words.code),
      code,
      make("p", { id: "code-hint", class: "soft" }, fill(words.code_hint, { example: study.example })),
    );
    const form = make(
      "form",
      { novalidate: true },
      tick,
      line,
      make("div", { class: "buttons" }, make("button", { type: "submit" }, words.start)),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const letters = (text) => text.toUpperCase().replace(/[^A-Z0-9]/g, "");
      const match = study.codes.find((each) => letters(each) === letters(code.value));
      if (agree.checked && match) {
        begin(match);
        return;
      }
      code.setAttribute("aria-invalid", String(agree.checked));
      (agree.checked ? line : tick).after(problem);
      problem.textContent = agree.checked ? words.wrong_code : words.not_agreed;
      (agree.checked ? code : agree).focus();
    });
    return [
      heading(words.title),
      make("h2", {}, words.consent_heading),
      ...paragraphs(words.consent),
      ...paragraphs(words.privacy),
      form,
    ];
  },

  how: () => [
    heading(words.instructions_heading),
    ...paragraphs(fill(words.instructions, { n: total, i: study.items })),
    make("div", { class: "buttons" }, button(words.continue, () => show(0), { class: "main" })),
  ],

  end: () => {
    const done = answers().length;
    const status = make("p", { role: "status" });
    const name = `answers-${state.code}.json`;
    const save = button(words.save, () => {
      const link = make("a", { download: name, href: URL.createObjectURL(new Blob([file()], { type: "application/json" })) });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      status.textContent = fill(words.saved, { file: name });
    }, { class: "main" });
    const text = make("textarea", { readonly: true, rows: "8", id: "copy", spellcheck: "false" });
    text.value = file();
    return [
      heading(words.end_heading),
      make("p", {}, fill(done === total ? words.end_all : words.end_some, { i: done, n: total })),
      make("div", { class: "buttons" }, save, button(words.go_back, () => show(next()))),
      status,
      make("details", {}, make("summary", {}, words.copy), make("label", { for: "copy", class: "unseen" }, words.copy), text),
      make("div", { class: "buttons" }, button(words.delete, () => show("remove"))),
    ];
  },

  remove: () => [
    heading(words.delete_heading),
    make("p", {}, fill(words.delete_sure, { code: state.code })),
    make(
      "div",
      { class: "buttons" },
      button(words.delete_no, () => show("end"), { class: "main" }),
      button(words.delete_yes, () => {
        forget(keyOf(state.code));
        forget(mine);
        state = fresh();
        show("consent", words.deleted);
      }),
    ),
  ],
};
const begin = (code) => {
  const resumed = read(keyOf(code)) !== null;
  state = stored(code);
  show(state.place, resumed ? fill(words.resume, { code }) : "");
};

const question = (place) => {
  const screen = study.screens[place];
  const answer = (state.answers[place] ??= { choice: null, ratings: {} });
  const record = (change) => {
    change();
    keep();
  };
  const sets = [];
  const nodes = [
    heading(fill(words.progress, { i: place + 1, n: total })),
    make("progress", { max: total, value: place, "aria-label": fill(words.progress, { i: place + 1, n: total }) }),
  ];
  if (screen.context) nodes.push(make("h2", {}, words.context), quote(screen.context));
  nodes.push(make("h2", {}, words.texts));
  screen.texts.forEach((text, i) => {
    const check = screen.check === undefined ? quote(text) : make("p", { class: "text" }, words.check_text);
    nodes.push(make("section", { "aria-labelledby": `text-${i}` }, make("h3", { id: `text-${i}` }, words[places[i]]), check));
  });
  const task = screen.check === undefined ? words.choice : words[`check_${places[screen.check]}`];
  sets.push(choices("choice", task, places.map((name) => [name, words[`choose_${name}`]]), answer.choice, (value) => record(() => (answer.choice = value))));
  const form = make("form", { novalidate: true }, sets[0]);
  if (screen.rated !== undefined) {
    const about = words[`about_${places[screen.rated]}`];
    const group = make("div", { role: "group", "aria-labelledby": "about" }, make("h2", { id: "about" }, about));
    for (const [name, text] of Object.entries(words.questions)) {
      const options = words.scale.map((label, i) => [i + 1, label]);
      sets.push(choices(name, text, options, answer.ratings[name], (value) => record(() => (answer.ratings[name] = value))));
      group.append(sets.at(-1));
    }
    form.append(group);
  }
  const problem = make("p", { role: "alert", class: "problem", id: "problem" });
  form.append(
    make(
      "div",
      { class: "buttons" },
      button(words.back, () => show(place > 0 ? place - 1 : "how")),
      make("button", { type: "submit", class: "main" }, words.next),
      button(words.stop, () => show("end")),
    ),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const missing = sets.find((set) => !set.querySelector("input:checked"));
    if (missing) {
      for (const set of sets) set.removeAttribute("aria-describedby");
      const legend = missing.querySelector("legend");
      legend.after(problem); // next to the question, so a screen reader reads both
      missing.setAttribute("aria-describedby", "problem");
      problem.textContent = fill(words.missing, { question: legend.textContent });
      missing.querySelector("input").focus();
      return;
    }
    show(place + 1 < total ? place + 1 : "end");
  });
  nodes.push(form);
  return nodes;
};

// --- the answer file

const isWhole = (place) => {
  const { choice, ratings } = state.answers[place] ?? {};
  return Boolean(choice) && asked(place).every((name) => ratings[name]);
};
const next = () => Math.max(0, study.screens.findIndex((_, place) => !isWhole(place)));
const answers = () => study.screens.map((_, place) => place).filter((place) => isWhole(place));
const file = () => {
  const rows = answers().map((place) => ({
    screen: place,
    choice: state.answers[place].choice,
    ratings: state.answers[place].ratings,
    seconds: Math.round(10 * (state.seconds[place] ?? 0)) / 10,
  }));
  return `${JSON.stringify({ study: study.id, form: study.form, code: state.code, language: words.language, answers: rows }, null, 1)}\n`;
};

// --- display

const root = document.documentElement;
const sizes = [100, 125, 150, 200, 250];
const system = matchMedia("(prefers-color-scheme: dark)");
const look = { size: 0, dark: null, ...read("study-display") };
const theme = document.querySelector("#theme");
const isDark = () => look.dark ?? system.matches;
const dress = () => {
  root.style.fontSize = `${sizes[look.size] ?? 100}%`;
  root.dataset.theme = isDark() ? "dark" : "light";
  theme.textContent = isDark() ? words.light : words.dark;
};
const change = (values) => {
  Object.assign(look, values);
  write("study-display", look);
  dress();
};
const resize = (step) => change({ size: Math.min(sizes.length - 1, Math.max(0, look.size + step)) });
document.querySelector("#larger").addEventListener("click", () => resize(1));
document.querySelector("#smaller").addEventListener("click", () => resize(-1));
theme.addEventListener("click", () => change({ dark: !isDark() }));
system.addEventListener("change", dress);

// --- other tabs, and the end of a visit

window.addEventListener("storage", (event) => {
  // another tab has changed these answers: show the new state, and never overwrite it with an older state
  if (!state.code || event.key !== keyOf(state.code)) return;
  const gone = event.newValue === null;
  state = gone ? fresh() : stored(state.code);
  since = performance.now();
  draw();
  notice.textContent = gone ? words.deleted : words.elsewhere;
});
document.addEventListener("visibilitychange", () => {
  settle(document.hidden); // count the time until now, because a hidden page may never be shown again
  if (document.hidden && state.code) keep();
});
dress();
show(earlier === null ? "consent" : "resume");
