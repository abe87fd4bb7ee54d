// What all pages share: the facts of a model, errors, bars, sliders, and calls of which the last counts.

import { readCard } from "./api.js";

export const byId = (id) => document.getElementById(id);

/** Makes an element with properties (`class`, `data-`, `aria-` and `role` as attributes) and children. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") made.className = value;
    else if (/^(aria-|data-|role$)/.test(name)) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

export const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 0.01 ? 1 : 0)}\u00a0%`;

/** Shows the one sentence of an error, or takes it away. */
export function report(error) {
  const place = byId("error");
  if (error?.name === "AbortError") return;
  const text = error ? error.message : "";
  place.textContent = text && !/[.!?]$/.test(text) ? `${text}.` : text;
  if (error && !error.status && error.status !== 0 && !error.plain) console.info(error);
}

/** An error of which a person is told in a sentence. */
export function told(sentence) {
  return Object.assign(new Error(sentence), { plain: true });
}

/** Has a screen reader say something when it is done with what it reads. */
export function say(text) {
  byId("said").textContent = text;
}

/** The first sentences of a text, as many as make up a number of characters. */
function opening(text = "", least = 90) {
  let taken = "";
  for (const sentence of text.replaceAll("`", "").split(/(?<=[.!?])\s+(?=[A-Z])/)) {
    if (taken.length >= least) break;
    taken += ` ${sentence}`;
  }
  return taken.trim();
}

/**
 * Begins a page: ties sliders to their numbers, waits for the model and fills in what its card says.
 *
 * @returns {Promise<object>} The card; empty where the server has none.
 */
export async function begin(model) {
  for (const input of document.querySelectorAll("input[type=range]")) tie(input);
  for (;;) {
    try {
      const card = await readCard(model);
      describe(card);
      report(null);
      return card;
    } catch (error) {
      report(error.status === 404 ? told(`This server has no model named ${model}.`) : error);
      // While the model is being loaded; the page answers as soon as it can.
      if (error.status !== 503) return {};
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

function describe(card) {
  // Some cards begin with what is fed; what it learned from bounds every answer.
  const limits = card.limits?.match(/Learned from .*/s)?.[0] ?? card.limits;
  byId("facts").textContent = `Trained on: ${opening(card.data, 30)} Limit: ${opening(limits)}`;
  const facts = { "What it is": card.description, "Learned from": card.data, "Limits": card.limits, "How it was measured": card.split, "Licence": card.licence };
  const list = element("dl");
  for (const [name, text] of Object.entries(facts)) {
    if (text) list.append(element("dt", {}, name), element("dd", {}, text.replaceAll("`", "")));
  }
  byId("facts").after(element("details", { class: "card-of-model" }, element("summary", {}, "The whole card"), list));
}

/** Keeps `<output for=ID>` at a slider's value. */
export function tie(input) {
  const output = document.querySelector(`output[for="${input.id}"]`);
  if (!output) return;
  const decimals = (input.step.split(".")[1] ?? "").length;
  const show = () => (output.textContent = Number(input.value).toFixed(decimals));
  input.addEventListener("input", show);
  show();
}

export const valueOf = (id) => Number(byId(id).value);

/** A whole number in a field, or a sentence about it. */
export function wholeNumber(id) {
  const { value, min, max, labels } = byId(id);
  if (!/^-?\d+$/.test(value.trim()) || Number(value) < Number(min) || Number(value) > Number(max)) {
    throw told(`${labels[0].firstChild.textContent.trim()} must be a whole number from ${min} to ${max}.`);
  }
  return Number(value);
}

/**
 * Wraps a call so that one runs at a time, and the last that was asked for meanwhile runs after it.
 *
 * Errors are reported; the returned function takes no arguments and waits until all is done.
 */
export function latest(call) {
  let running = null;
  let again = false;
  return function ask() {
    again = true;
    running ??= (async () => {
      try {
        while (again) {
          again = false;
          try {
            await call();
            if (!again) report(null);
          } catch (error) {
            report(error);
          }
        }
      } finally {
        running = null;
      }
    })();
    return running;
  };
}

/** Runs a call, during which a press of its button does nothing; errors are reported. */
export async function during(button, call) {
  // Not `disabled`, which would take the focus away from the button.
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  try {
    report(null);
    await call();
  } catch (error) {
    report(error);
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

/** Names of classes as people say them. */
export const spoken = (name) => ({ neg: "negative", pos: "positive", _silence_: "silence", _unknown_: "another word" })[name] ?? name.replaceAll("_", " ").toLowerCase();

/** Draws probabilities as a list of bars, in the order of the classes. */
export function bars(list, names, shares) {
  const top = shares.indexOf(Math.max(...shares));
  if (list.children.length !== names.length) {
    list.replaceChildren(...names.map((name) => element(
      "li", {}, element("span", {}, spoken(name)), element("span", { class: "track", "aria-hidden": "true" }, element("span")),
      element("span", { class: "share" }),
    )));
  }
  names.forEach((name, i) => {
    const [, track, share] = list.children[i].children;
    list.children[i].classList.toggle("top", i === top);
    track.firstChild.style.setProperty("--share", shares[i]);
    share.textContent = percent(shares[i]);
  });
}

/** Shows a label in large letters, its probability, and whether the model is unsure. */
export function answer(place, label, confidence, unsure) {
  place.replaceChildren(spoken(label), element("small", {}, percent(confidence)));
  if (unsure) place.append(element("span", { class: "badge" }, "unsure"));
}

/** Takes files that are dropped onto an element or chosen in a field. */
export function takeFiles(area, input, take) {
  const hand = (file) => file && Promise.resolve().then(() => take(file)).catch(report);
  input.addEventListener("change", () => {
    hand(input.files[0]);
    input.value = "";
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    area.addEventListener(kind, (event) => {
      event.preventDefault();
      area.classList.toggle("over", kind === "dragover");
      if (kind === "drop") hand(event.dataTransfer.files[0]);
    });
  }
}

/**
 * Reads a CSV or TSV: rows of numbers, and NaN for cells that are none.
 *
 * @param {boolean} named Whether its first row holds names; by default, whether that holds anything but numbers.
 * @returns {Promise<{header: string[] | null, rows: number[][]}>}
 */
export async function readTable(file, named = undefined) {
  if (file.size > 20e6) throw told("This file is larger than 20 MB; the command line takes it.");
  const lines = (await file.text()).split(/\r?\n/).filter((line) => line.trim());
  if (!lines.length) throw told("This file is empty.");
  const mark = ["\t", ";", ","].find((each) => lines[0].includes(each)) ?? /\s+/;
  const rows = lines.map((line) => line.trim().split(mark).map((cell) => cell.trim()));
  named ??= rows[0].some((cell) => cell !== "" && Number.isNaN(Number(cell)));
  const header = named ? rows.shift() : null;
  return { header, rows: rows.map((row) => row.map((cell) => (cell === "" ? NaN : Number(cell)))) };
}

/** Numbers that look drawn by chance, the same each time: a generator of shares in [0, 1). */
export function chance(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
