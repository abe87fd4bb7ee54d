import { encoded, predict } from "../api.js";
import { live } from "../plot.js";
import { answer, bars, begin, byId, during, report, say, spoken, takeFiles, told } from "../ui.js";
import { loudest, readSound, record, writeWav } from "../wav.js";

const SECONDS = 2;
const LONGEST = 60;

const card = await begin("speech");
const rate = card.rate ?? 16000;
const length = card.length ?? rate;
const classes = card.classes ?? [];
let samples = new Float32Array(0);
let begun = 0; // of the second that is heard

byId("known").textContent = `It knows: ${classes.filter((name) => !name.startsWith("_")).join(", ")}.`;

const paint = live(byId("wave"), (context, width, height, shades) => {
  if (!samples.length) return;
  context.clearRect(0, 0, width, height);
  const atX = (i) => (width * i) / samples.length;
  context.fillStyle = shades.accent;
  context.globalAlpha = 0.14;
  context.fillRect(atX(begun), 0, atX(Math.min(length, samples.length)), height);
  context.globalAlpha = 1;
  const loud = Math.max(0.05, samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0));
  for (let x = 0; x < width; x++) {
    const [from, to] = [x, x + 1].map((at) => Math.floor((samples.length * at) / width));
    const most = samples.subarray(from, Math.max(from + 1, to)).reduce((high, sample) => Math.max(high, Math.abs(sample)), 0);
    const tall = Math.max(1, (height * 0.92 * most) / loud);
    context.fillStyle = from >= begun && from < begun + length ? shades.accent : shades.edge;
    context.fillRect(x, (height - tall) / 2, 1, tall);
  }
});

async function tell(found, what) {
  if (found.length > LONGEST * rate) throw told(`This page takes recordings of up to ${LONGEST} s; the command line takes longer ones.`);
  [samples, begun] = [found, loudest(found, length)];
  paint();
  const sent = writeWav(samples.slice(begun, begun + length), rate);
  URL.revokeObjectURL(byId("audio").src);
  byId("audio").src = URL.createObjectURL(sent);
  byId("audio").hidden = false;
  const outputs = await predict("speech", { encoded: [await encoded(sent)] }, "serving_bytes");
  const [label, confidence, unsure] = [outputs.label[0], outputs.confidence[0], outputs.unsure[0]];
  answer(byId("label"), label, confidence, unsure);
  bars(byId("shares"), classes, outputs.probabilities[0]);
  byId("wave").setAttribute("aria-label", `Waveform of ${what}, ${(samples.length / rate).toFixed(1)} s; heard from ${(begun / rate).toFixed(1)} s on`);
  say(`${spoken(label)}${unsure ? ", unsure" : ""}`);
}

const button = byId("record");
button.addEventListener("click", () => during(button, async () => {
  const name = button.textContent;
  button.textContent = "Speak now";
  try {
    const found = await record(SECONDS, rate, (share) => (button.textContent = `Speak now, ${(SECONDS * (1 - share)).toFixed(1)} s`));
    await tell(found, "the microphone");
  } finally {
    button.textContent = name;
  }
}));
takeFiles(byId("drop"), byId("file"), async (file) => {
  report(null);
  await tell(await readSound(file, rate), file.name);
});
const example = async () => tell(await readSound(await (await fetch("yes.wav")).blob(), rate), "the example");
byId("example").addEventListener("click", () => during(byId("example"), example));
example().catch(report);
