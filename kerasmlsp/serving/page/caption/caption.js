import { encoded, predict } from "../api.js";
import { jpeg, sources } from "../picture.js";
import { spotlight } from "../plot.js";
import { begin, byId, element, latest, say } from "../ui.js";

await begin("caption");
let picture = null;
let chosen = null; // the word whose attention the large picture shows

const ask = latest(async () => {
  const own = picture;
  const { captions, scores, words, attention } = await predict("caption", { encoded: [await encoded(await jpeg(own))] }, "serving_bytes");
  if (own !== picture) return;
  const said = words[0].filter(Boolean);
  byId("label").textContent = captions[0][0];
  byId("rows").replaceChildren(...captions[0].map((text, i) => element(
    "tr", {}, element("td", {}, text), element("td", {}, scores[0][i].toFixed(2).replace("-", "−")),
  )));
  for (const id of ["others", "meaning", "where"]) byId(id).hidden = false;
  byId("tiles").replaceChildren(...said.map((word, i) => tile(word, attention[0][i])));
  byId("picture").setAttribute("aria-label", `The picture: ${captions[0][0]}`);
  say(captions[0][0]);
});

/** A small picture that is lit where the net looked for a word; pressed, the large one is lit alike. */
function tile(word, map) {
  const canvas = element("canvas", { "aria-hidden": "true" });
  const small = document.createElement("canvas");
  small.width = 160;
  small.height = Math.round((160 * picture.height) / picture.width);
  small.getContext("2d").drawImage(picture, 0, 0, small.width, small.height);
  spotlight(canvas, small, map);
  const button = element("button", { type: "button", "aria-pressed": "false" }, canvas, word);
  button.addEventListener("click", () => {
    const off = chosen === button;
    chosen?.setAttribute("aria-pressed", "false");
    chosen = off ? null : button;
    chosen?.setAttribute("aria-pressed", "true");
    spotlight(byId("picture"), picture, off ? null : map);
    if (!off) say(`${word}: looked ${whereabouts(map)}.`);
  });
  return element("li", {}, button);
}

/** Where a map is highest, in words. */
function whereabouts(map) {
  const flat = map.flat();
  const best = flat.indexOf(Math.max(...flat));
  const third = (i, length) => Math.min(2, Math.floor((3 * (i + 0.5)) / length));
  const down = ["at the top", "in the middle", "at the bottom"][third(Math.floor(best / map[0].length), map.length)];
  const across = ["on the left", "", "on the right"][third(best % map[0].length, map[0].length)];
  return `${down} ${across}`.trim();
}

function take(canvas, alt) {
  picture = canvas;
  chosen = null;
  byId("picture").setAttribute("aria-label", alt);
  byId("label").textContent = "…";
  byId("tiles").replaceChildren();
  spotlight(byId("picture"), picture, null);
  return ask();
}

sources(take, { example: "camera.jpg", alt: "A man in a dark coat who looks through a camera on a tripod", square: false });
byId("example").click();
