import { predict } from "../api.js";
import { lines, live } from "../plot.js";
import { begin, byId, element, latest, readTable, report, say, takeFiles, tie, told, valueOf } from "../ui.js";
import { BEATS } from "./beats.js";

const card = await begin("anomaly");
const [, steps, channels] = card.endpoints?.serving_default.inputs.signals.shape ?? [null, 140, 1];
const threshold = card.threshold?.threshold;
let beats = BEATS;
let shown = null; // what the model said of `signal`

const paint = live(byId("plot"), (context, width, height, shades) => {
  if (!shown) return;
  lines(context, width, height, shades, {
    series: [{ y: shown.signal, colour: "ink" }, { y: shown.reconstruction, colour: "accent" }],
    fill: { y: shown.errors, colour: "accent", most: Math.max(...shown.errors, 0.5) },
    across: "step",
  });
});

/** The chosen beat with its bump. */
function bent() {
  const [height, place, width] = ["height", "place", "width"].map(valueOf);
  return beats[valueOf("row") - 1].map((value, i) => value + height * Math.exp(-(((i - place) / width) ** 2) / 2));
}

const ask = latest(async () => {
  const signal = bent();
  const { score, abnormal, errors, reconstruction } = await predict("anomaly", { signals: [signal.map((value) => [value])] });
  shown = { signal, errors: errors[0], reconstruction: reconstruction[0].map(([value]) => value) };
  const label = abnormal[0] ? "unlike the normal ones" : "like the normal ones";
  byId("label").replaceChildren(label, element("small", {}, `score ${score[0].toFixed(3)}`));
  const worst = errors[0].indexOf(Math.max(...errors[0]));
  byId("score").textContent = `${threshold ? `From a score of ${threshold.toFixed(3)} on a beat counts as abnormal. ` : ""}The error is highest at step ${worst}.`;
  byId("plot").setAttribute("aria-label", `The beat, as the nets repeat it, and the error, which is highest at step ${worst} of ${steps}`);
  paint();
  say(`${label}, score ${score[0].toFixed(3)}`);
});

function take(rows, row) {
  beats = rows;
  byId("row").max = rows.length;
  byId("row").value = row;
  byId("row").dispatchEvent(new Event("input"));
  byId("rows").hidden = rows === BEATS || rows.length < 2;
}

async function read(file) {
  const { rows } = await readTable(file);
  const cut = rows.map((row) => (row.length === steps + 1 ? row.slice(1) : row));
  const wrong = cut.findIndex((row) => row.length !== steps || !row.every(Number.isFinite));
  if (wrong >= 0) throw told(`Row ${wrong + 1} of ${file.name} must hold ${steps} numbers, perhaps after a label; it holds ${rows[wrong].filter(Number.isFinite).length}.`);
  take(cut, 1);
}

if (channels !== 1) report(told(`This page draws signals of one channel; the model served here takes ${channels}.`));
tie(byId("row"));
takeFiles(byId("drop"), byId("file"), read);
for (const id of ["row", "height", "place", "width"]) byId(id).addEventListener("input", ask);
byId("normal").addEventListener("click", () => take(BEATS, 1));
byId("other").addEventListener("click", () => take(BEATS, 2));
take(BEATS, 2);
