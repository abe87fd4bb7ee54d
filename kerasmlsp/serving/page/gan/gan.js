import { predict } from "../api.js";
import { pixels } from "../plot.js";
import { begin, byId, element, latest, report, say, spoken, valueOf, wholeNumber } from "../ui.js";

const SAMPLES = 20;
const STEPS = 5;

const { classes = [] } = await begin("gan");
byId("label").replaceChildren(...classes.map((name) => element("option", { value: name }, name)));
const drawn = () => spoken(byId("label").value);
const filled = (count, value) => Array(count).fill(value);
let first = 1; // seed of the first sample

function tile(image, text, title, press) {
  const canvas = element("canvas", { class: "pixels", "aria-hidden": "true" });
  pixels(canvas, image);
  return element("li", {}, element("button", { type: "button", "aria-label": title, onclick: press }, canvas, text));
}

const sample = latest(async () => {
  const seeds = Array.from({ length: SAMPLES }, (_, i) => first + i);
  const images = await predict("gan", { seed: seeds, label: filled(SAMPLES, byId("label").value) });
  byId("samples").replaceChildren(...images.map((image, i) => tile(image, String(seeds[i]), `${drawn()}, seed ${seeds[i]}`, () => {
    const end = document.querySelector("input[name=end]:checked").value;
    byId(end).value = seeds[i];
    way();
    say(`Seed ${seeds[i]} is the ${end === "seed" ? "beginning" : "end"}.`);
  })));
});

/** What `interpolate` draws at shares of the way. */
function between(shares) {
  const all = { seed: wholeNumber("seed"), other_seed: wholeNumber("other_seed"), label: byId("label").value };
  const inputs = Object.fromEntries(Object.entries(all).map(([name, value]) => [name, filled(shares.length, value)]));
  return predict("gan", { ...inputs, share: shares }, "interpolate");
}

const show = latest(async () => {
  const share = valueOf("share");
  pixels(byId("image"), (await between([share]))[0]);
  byId("image").setAttribute("aria-label", `${drawn()}: ${Math.round(100 * share)} percent of the way from seed ${byId("seed").value} to seed ${byId("other_seed").value}`);
});

const strip = latest(async () => {
  const shares = Array.from({ length: STEPS }, (_, i) => i / (STEPS - 1));
  const images = await between(shares);
  byId("strip").replaceChildren(...images.map((image, i) => tile(image, String(shares[i]), `Go to ${shares[i]} of the way`, () => move(shares[i]))));
});

function move(share) {
  byId("share").value = share;
  byId("share").dispatchEvent(new Event("input"));
}

const way = () => Promise.all([show(), strip()]);

/** Moves the slider there and back until it is stopped; a step a time the server answers. */
async function walk() {
  const begun = performance.now() - 1000 * Math.asin(2 * valueOf("share") - 1);
  while (byId("walk").getAttribute("aria-pressed") === "true") {
    byId("share").value = (1 + Math.sin((performance.now() - begun) / 1000)) / 2;
    tied();
    await show();
    if (byId("error").textContent) stop();
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}
const tied = () => (document.querySelector("output[for=share]").textContent = valueOf("share").toFixed(2));
const stop = () => byId("walk").setAttribute("aria-pressed", "false");

byId("walk").addEventListener("click", () => {
  const on = byId("walk").getAttribute("aria-pressed") !== "true";
  byId("walk").setAttribute("aria-pressed", String(on));
  if (on) walk().catch(report);
});
byId("share").addEventListener("input", show);
for (const id of ["seed", "other_seed"]) byId(id).addEventListener("change", way);
byId("label").addEventListener("change", () => Promise.all([sample(), way()]));
byId("others").addEventListener("click", () => {
  first = Math.floor(Math.random() * 1e6);
  sample();
});
sample();
way();
