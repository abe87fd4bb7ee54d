import { predict } from "../api.js";
import { begin, byId, element, latest, say, told, valueOf, wholeNumber } from "../ui.js";
import { keyboard } from "./keys.js";
import { VOICES, given, midi, nameOf, notesOf } from "./notes.js";
import { Player, strike } from "./player.js";
import { roll, stepAt } from "./roll.js";

const SONG = [[67, 4], [67, 4], [69, 4], [71, 4], [72, 4], [71, 4], [69, 8], [71, 4], [74, 4], [72, 4], [71, 4], [69, 4], [69, 4], [67, 8]];
const LENGTHS = { 16: "whole", 8: "half", 4: "quarter", 2: "eighth" };
const LONGEST = 2048; // sixteenths
const PARTICLES = 16; // pieces that are tried at once below a melody

let melody = [];
let piece = { notes: [], steps: 0, bar: 16, pickup: 0, given: 0 };
let at = 0;

const paint = roll(byId("roll"), () => ({ ...piece, at }));
const player = new Player((step, playing) => {
  at = step;
  byId("play").textContent = playing ? "Pause" : "Play";
  follow();
  paint();
});

/** Keeps the place that sounds in sight where the roll is wider than the screen. */
function follow() {
  const place = byId("roll").parentElement;
  const x = (at / (piece.steps || 1)) * byId("roll").clientWidth;
  if (player.playing && (x < place.scrollLeft || x > place.scrollLeft + place.clientWidth * 0.9)) place.scrollLeft = x - 40;
}

/** Takes what the model wrote, and shows and tells it. */
function show(outputs, facts) {
  const [pitches, onsets] = [outputs.pitches[0], outputs.onsets[0]];
  piece = { ...facts, notes: notesOf(pitches, onsets), steps: pitches.length };
  byId("roll").style.width = `max(100%, ${piece.steps * 3}px)`;
  player.load(piece.notes, piece.steps);
  for (const id of ["play", "start", "midi"]) byId(id).disabled = false;
  const key = `${byId("tonic").selectedOptions[0].text} ${facts.minor ? "minor" : "major"}`;
  const bars = Math.round((piece.steps - facts.pickup) / facts.bar);
  byId("label").textContent = `${bars} ${bars === 1 ? "bar" : "bars"} in ${key}`;
  if (outputs.nats) byId("label").append(element("small", {}, `${outputs.nats[0].toFixed(2)} nats a sixteenth`));
  const range = (voice) => {
    const sung = piece.notes.filter((note) => note.voice === voice).map(({ pitch }) => pitch);
    return sung.length ? `${VOICES[voice].toLowerCase()} from ${nameOf(Math.min(...sung))} to ${nameOf(Math.max(...sung))}` : "";
  };
  byId("roll").setAttribute("aria-label", `Piano roll, ${byId("label").firstChild.data}: ${VOICES.map((_, voice) => range(voice)).filter(Boolean).join(", ")}`);
  byId("chords").replaceChildren(...chords(pitches));
  say(`${byId("label").firstChild.data} written.`);
}

/** A row of the table for each beat. */
function chords(pitches) {
  const rows = [];
  for (let step = 0; step < pitches.length; step += 4) {
    const beat = step - piece.pickup;
    const where = beat < 0 ? "pickup" : `${Math.floor(beat / piece.bar) + 1}.${(beat % piece.bar) / 4 + 1}`;
    rows.push(element("tr", {}, element("td", {}, where), ...pitches[step].map((pitch) => element("td", {}, pitch > 0 ? nameOf(pitch) : "–"))));
  }
  return rows;
}

async function write() {
  const facts = { tonic: valueOf("tonic"), minor: valueOf("minor"), bar: valueOf("bar"), pickup: valueOf("pickup") };
  const drawn = { seed: wholeNumber("seed"), temperature: valueOf("temperature"), top_p: valueOf("top_p") };
  const rows = Object.fromEntries(Object.entries({ ...facts, ...drawn }).map(([name, value]) => [name, [value]]));
  const length = melody.reduce((sum, note) => sum + note.length, 0);
  // Whole bars, so that a melody ends with one.
  const bars = Math.max(valueOf("bars"), Math.ceil((length - facts.pickup) / facts.bar));
  const steps = facts.pickup + bars * facts.bar;
  if (steps > LONGEST) throw told("This melody is too long.");
  let outputs;
  if (length) {
    const { pitches, onsets } = given(melody, steps);
    outputs = await predict("music", { ...rows, pitches: [pitches], onsets: [onsets], particles: PARTICLES }, "complete");
  } else outputs = await predict("music", { ...rows, steps, particles: 1 });
  show(outputs, { ...facts, given: length });
}

const ask = latest(write);
/** Writes a piece as the settings are; asked while it writes, it writes another after it. */
async function compose() {
  byId("write").setAttribute("aria-busy", "true");
  await ask();
  byId("write").removeAttribute("aria-busy");
}
byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  compose();
});
byId("again").addEventListener("click", () => {
  byId("seed").value = Number(byId("seed").value) + 1;
  compose();
});

// The melody
const noteLength = () => Number(document.querySelector("input[name=length]:checked").value);
function tellMelody() {
  const names = melody.map(({ pitch, length }) => `${pitch > 0 ? nameOf(pitch) : "rest"} ${LENGTHS[length] ?? ""}`.trim());
  byId("melody").textContent = names.length ? names.join(", ") : "No melody: the model writes all voices.";
}
function add(pitch) {
  if (pitch > 0) strike(pitch);
  melody.push({ pitch, length: noteLength() });
  tellMelody();
  say(`${pitch > 0 ? nameOf(pitch) : "rest"}, ${LENGTHS[noteLength()]}`);
}
function undo() {
  melody.pop();
  tellMelody();
  say("Last note taken away.");
}
keyboard(byId("keys"), {
  press: add, rest: () => add(0), undo,
  length: (length) => (document.querySelector(`input[name=length][value="${length}"]`).checked = true),
});
byId("rest").addEventListener("click", () => add(0));
byId("undo").addEventListener("click", undo);
byId("clear").addEventListener("click", () => {
  melody = [];
  tellMelody();
});
byId("song").addEventListener("click", () => {
  melody = SONG.map(([pitch, length]) => ({ pitch, length }));
  Object.assign(byId("tonic"), { value: "7" });
  byId("minor").value = "0";
  byId("bar").value = "16";
  byId("pickup").value = "0";
  tellMelody();
  compose();
});
byId("hear").addEventListener("click", () => {
  const steps = melody.reduce((sum, note) => sum + note.length, 0);
  if (!steps) return;
  const { pitches, onsets } = given(melody, steps);
  piece = { notes: notesOf(pitches, onsets), steps, bar: valueOf("bar"), pickup: valueOf("pickup"), given: steps };
  player.load(piece.notes, steps);
  player.play();
});

// The player
byId("play").addEventListener("click", () => (player.playing ? player.pause() : player.play()));
byId("start").addEventListener("click", () => player.change((self) => (self.at = 0)));
const pace = () => player.change((self) => (self.tempo = valueOf("tempo")));
byId("tempo").addEventListener("input", pace);
for (const input of document.querySelectorAll("#voices input")) {
  input.addEventListener("change", () => player.change(({ muted }) => muted[input.checked ? "delete" : "add"](Number(input.value))));
}
byId("roll").addEventListener("click", (event) => player.change((self) => (self.at = stepAt(byId("roll"), event.offsetX, piece.steps))));
byId("midi").addEventListener("click", () => {
  const url = URL.createObjectURL(new Blob([midi({ ...piece, tempo: valueOf("tempo") })], { type: "audio/midi" }));
  element("a", { href: url, download: "chorale.mid" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
});

tellMelody();
pace();
begin("music").then(compose);
