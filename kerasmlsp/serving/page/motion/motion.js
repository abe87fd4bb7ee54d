import { predict } from "../api.js";
import { lines, live } from "../plot.js";
import { bars, begin, byId, during, element, readTable, report, say, spoken, takeFiles, told } from "../ui.js";
import { madeUp, ofPhone, ofTable } from "./recording.js";

const SECONDS = 12; // of a recording of this phone
const LONGEST = 600;

const card = await begin("motion");
const recording = card.recording ?? { rate: 25, channels: ["x_acc", "y_acc", "z_acc", "x_gyro", "y_gyro", "z_gyro"], window: 1, time_column: "timestamp" };
const classes = card.classes ?? [];
const { rate } = recording;
let samples = [];
let labels = [];
let unsure = [];

const seconds = (i) => String(Number((i / rate).toFixed(1)));
const marks = () => {
  const every = samples.length / rate > 30 ? 10 : 2;
  return Array.from({ length: Math.floor(samples.length / rate / every) + 1 }, (_, i) => i * every * rate);
};

function signals(from, unit) {
  return (context, width, height, shades) => {
    if (!samples.length) return;
    const series = ["accent", "ink", "edge"].map((colour, k) => ({ y: samples.map((row) => row[from + k]), colour, width: 1.5 }));
    lines(context, width, height, shades, { series, unit, place: seconds, marks: marks() });
  };
}

/** A row for each class, filled where it was told. */
function timeline(context, width, height, shades) {
  if (!labels.length) return;
  context.clearRect(0, 0, width, height);
  context.font = "13px system-ui, sans-serif";
  const left = 100;
  const row = (height - 22) / classes.length;
  const atX = (i) => left + ((width - left - 8) * i) / labels.length;
  context.textBaseline = "middle";
  classes.forEach((name, k) => {
    context.textAlign = "right";
    context.fillStyle = shades.muted;
    context.fillText(spoken(name), left - 8, row * (k + 0.5));
    context.fillStyle = shades.line;
    context.fillRect(left, row * (k + 1) - 1, width - left - 8, 1);
  });
  for (const { label, from, to } of stretches()) {
    context.fillStyle = shades.accent;
    context.fillRect(atX(from), row * classes.indexOf(label) + 4, Math.max(1, atX(to) - atX(from)), row - 9);
  }
  context.textAlign = "center";
  context.fillStyle = shades.muted;
  for (const i of marks()) context.fillText(`${seconds(i)} s`, Math.min(atX(i), width - 14), height - 9);
}

/** Runs of samples of one label. */
function stretches() {
  const found = [];
  labels.forEach((label, i) => {
    if (found.at(-1)?.label === label) found.at(-1).to = i + 1;
    else found.push({ label, from: i, to: i + 1 });
  });
  return found;
}

const paints = [
  live(byId("acceleration"), signals(0, "m/s²")), live(byId("turning"), signals(3, "rad/s")), live(byId("timeline"), timeline),
];

async function tell(found, what) {
  if (found.length < recording.window * rate) throw told(`A recording must last ${recording.window} s at least.`);
  if (found.length > LONGEST * rate) throw told(`This page takes recordings of up to ${LONGEST} s; the command line takes longer ones.`);
  const outputs = await predict("motion", { signals: [found] }, "recordings");
  [samples, labels, unsure] = [found, outputs.label[0], outputs.unsure[0]];
  const shares = classes.map((name) => labels.filter((label) => label === name).length / labels.length);
  const parts = stretches();
  const order = [...new Set(parts.map(({ label }) => label))];
  byId("label").textContent = order.length > 3 ? `${order.length} activities` : order.map(spoken).join(", ");
  if (unsure.some(Boolean)) {
    byId("label").append(element("small", {}, `unsure of ${((100 * unsure.filter(Boolean).length) / unsure.length).toFixed(0)} % of the time`));
  }
  bars(byId("shares"), classes, shares);
  byId("rows").replaceChildren(...parts.map(({ label, from, to }) => element(
    "tr", {}, ...[`${seconds(from)} s`, `${seconds(to)} s`, spoken(label)].map((text) => element("td", {}, text)),
  )));
  byId("about").textContent = what;
  const heard = parts.map(({ label, from, to }) => `${spoken(label)} from ${seconds(from)} to ${seconds(to)} s`).join(", ");
  byId("acceleration").setAttribute("aria-label", `Acceleration along three axes for ${seconds(samples.length)} s`);
  byId("turning").setAttribute("aria-label", `Speed of turning about three axes for ${seconds(samples.length)} s`);
  byId("timeline").setAttribute("aria-label", heard);
  paints.forEach((paint) => paint());
  say(heard);
}

const example = () => tell(madeUp(rate), "This recording is made up: somebody sits, stands up, walks, turns round, walks and sits down.");

byId("example").addEventListener("click", () => during(byId("example"), example));
byId("record").addEventListener("click", () => during(byId("record"), async () => {
  const found = await ofPhone(SECONDS, rate, (left) => (byId("about").textContent = `Recording, ${left} s to go: put the phone into a pocket and move.`));
  await tell(found, `Recorded with this phone, ${SECONDS} s.`);
}));
takeFiles(byId("drop"), byId("file"), async (file) => {
  report(null);
  await tell(ofTable(await readTable(file), recording, file.name), file.name);
});
example().catch(report);
