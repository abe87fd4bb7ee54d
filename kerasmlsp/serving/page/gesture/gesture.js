import { encoded, predict } from "../api.js";
import { copy, jpeg, pixelsOf, sources } from "../picture.js";
import { spotlight } from "../plot.js";
import { answer, bars, begin, byId, latest, say } from "../ui.js";
import { drawHand, sheet } from "./hand.js";

const card = await begin("gesture");
const classes = card.classes ?? [..."0123456789"];
const size = card.image_size ?? 64;
let shown = null; // the picture, its heat map, and whether it is to be told in bytes

function show() {
  if (!shown) return;
  const heat = byId("heat").checked ? shown.heat : null;
  if (byId("easel").hidden) spotlight(byId("picture"), shown.picture, heat, 1);
  else spotlight(byId("glow"), null, heat, 1);
}

/** Bytes tell the label, as of any file; `explain` takes pixels, and tells where the sign was seen. */
const ask = latest(async () => {
  const own = shown;
  const explained = predict("gesture", { images: [pixelsOf(own.picture, size)] }, "explain");
  const told = own.film ? explained : predict("gesture", { encoded: [await encoded(await jpeg(own.picture))] }, "serving_bytes");
  const [{ heat }, outputs] = await Promise.all([explained, told]);
  if (own !== shown) return;
  own.heat = heat[0];
  const text = `${outputs.label[0]}${outputs.unsure[0] ? ", unsure" : ""}`;
  answer(byId("label"), outputs.label[0], outputs.confidence[0], outputs.unsure[0]);
  bars(byId("shares"), classes, outputs.probabilities[0]);
  show();
  if (byId("said").textContent !== text) say(text);
});

function take(picture, alt) {
  shown = { picture };
  byId("picture").setAttribute("aria-label", alt);
  show();
  return ask();
}

const { camera, shut } = sources(
  (picture, alt) => {
    easel(false);
    return take(picture, alt);
  },
  { example: "hand.jpg", alt: "A drawn hand with five stretched fingers", square: true },
);

/** Tells what the camera sees, again and again, until it is closed or the box is cleared. */
let watching = false;
async function watch() {
  if (watching) return;
  watching = true;
  while (camera.stream && byId("live").checked) {
    shown = { picture: camera.frame(true), film: true };
    byId("picture").setAttribute("aria-label", "What the camera sees");
    await ask();
    await new Promise((resolve) => setTimeout(resolve, 120));
  }
  watching = false;
}
byId("live").addEventListener("change", watch);
byId("camera").addEventListener("click", () => easel(false));
byId("video").addEventListener("playing", watch);
byId("heat").addEventListener("change", show);

// The sheet
const paper = byId("drawing");
function easel(open) {
  byId("easel").hidden = !open;
  byId("picture").hidden = open;
  byId("draw").setAttribute("aria-pressed", String(open));
}
const drawn = () => take(copy(paper, paper.width, paper.height), "The drawn hand");
const fingers = () => [...document.querySelectorAll("#fingers input:checked")].map(({ value }) => Number(value));
function hand() {
  drawHand(paper, fingers());
  drawn();
}
sheet(paper, () => spotlight(byId("glow"), null, null), drawn);
byId("fingers").addEventListener("change", hand);
byId("wipe").addEventListener("click", () => {
  drawHand(paper, null);
  drawn();
});
byId("draw").addEventListener("click", () => {
  shut();
  easel(byId("easel").hidden);
  if (!byId("easel").hidden) hand();
});

byId("example").click();
