// What makes the pages quicker to use: suggestions while typing, and the own place on request. All works without it.
"use strict";

const PAUSE_MS = 150;

/** A combobox with a list of suggestions (ARIA Authoring Practices, list autocomplete with manual selection). */
function suggest(input) {
  const list = document.createElement("ul");
  const status = document.createElement("p");
  list.id = `${input.id}-list`;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", input.dataset.label);
  list.hidden = true;
  status.className = "vh";
  status.setAttribute("role", "status");
  input.after(list, status);
  for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"], ["aria-controls", list.id]]) {
    input.setAttribute(name, value);
  }
  let asking = null;
  let timer = 0;
  let chosen = -1;

  function close() {
    clearTimeout(timer);
    asking?.abort();
    list.hidden = true;
    list.replaceChildren();
    status.textContent = "";
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    chosen = -1;
  }

  function mark(place) {
    const options = [...list.children];
    chosen = (place + options.length) % options.length;
    options.forEach((option, number) => option.setAttribute("aria-selected", String(number === chosen)));
    options[chosen].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", options[chosen].id);
  }

  function take(option) {
    input.value = option.dataset.text;
    close();
    input.focus();
  }

  function show(told) {
    close();
    if (!told.length || document.activeElement !== input) return;
    list.append(...told.map(({ text, note }, number) => {
      const option = document.createElement("li");
      option.id = `${list.id}-${number}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      option.dataset.text = text;
      option.append(text);
      if (note) {
        const beside = document.createElement("span");
        beside.textContent = note;
        option.append(" ", beside);
      }
      // Before the box loses the focus.
      option.addEventListener("mousedown", (event) => { event.preventDefault(); take(option); });
      return option;
    }));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    status.textContent = input.dataset.count.replace("#", String(told.length));
  }

  async function ask() {
    asking?.abort();
    asking = new AbortController();
    const body = new URLSearchParams({ field: input.name, typed: input.value, csrf: input.form.elements.csrf.value });
    try {
      const answer = await fetch(input.dataset.suggest, { method: "POST", body, signal: asking.signal });
      if (answer.ok) show(await answer.json());
    } catch {
      // Typed on meanwhile, or offline: the form works without suggestions.
    }
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE_MS);
  });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    const moves = { ArrowDown: chosen + 1, ArrowUp: chosen < 0 ? -1 : chosen - 1 };
    if (event.key in moves) {
      event.preventDefault();
      mark(moves[event.key]);
    } else if (event.key === "Enter" && chosen >= 0) {
      event.preventDefault();
      take(list.children[chosen]);
    } else if (event.key === "Escape") {
      event.preventDefault();
      close();
    }
  });
}

/** Takes the own place from the browser when the button is pressed, never before; rounded to about 100 m. */
function locate(row) {
  const button = row.querySelector("button");
  const { place, latitude, longitude } = button.form.elements;
  row.hidden = false;
  button.addEventListener("click", () => {
    row.querySelector("[role=status]").textContent = "";
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        latitude.value = coords.latitude.toFixed(3);
        longitude.value = coords.longitude.toFixed(3);
        place.value = row.dataset.here;
        place.focus();
      },
      () => { row.querySelector("[role=status]").textContent = row.dataset.refused; },
      { timeout: 15000, maximumAge: 60000 },
    );
  });
}

document.querySelectorAll("[data-suggest]").forEach(suggest);
if ("geolocation" in navigator) document.querySelectorAll("[data-here]").forEach(locate);
// After a search, a screen reader and the keyboard go on at what was found.
document.querySelector("[data-focus]")?.focus({ preventScroll: false });
