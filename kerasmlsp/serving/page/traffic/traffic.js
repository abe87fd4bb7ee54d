import { predict } from "../api.js";
import { lines, live } from "../plot.js";
import { begin, byId, chance, element, latest, readTable, say, takeFiles, told, valueOf } from "../ui.js";

const card = await begin("traffic");
const roads = card.roads ?? [];
const length = card.length ?? 12;
const every = card.step_minutes ?? 5;
let read = null; // speeds of a file, in place of made-up ones
let shown = null;

const clock = (minute) => `${String(Math.floor(minute / 60) % 24).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;

/** Speeds of free roads of the size that is usual there, a little unsteady: `(length, roads)`. */
function madeUp() {
  const random = chance(7);
  const free = roads.map(() => 58 + 9 * random());
  return Array.from({ length }, () => free.map((speed) => speed + 3 * (random() - 0.5)));
}

/** The last hour, with the chosen road slowed down more and more. */
function lastHour() {
  const [road, slower] = [byId("road").selectedIndex, valueOf("slower")];
  return (read ?? made).map((row, step) => row.map((speed, i) =>
    i === road ? Math.max(1, speed - (slower * (step + 1)) / length) : speed));
}
const made = madeUp();

const paint = live(byId("plot"), (context, width, height, shades) => {
  if (!shown) return;
  const { past, future } = shown;
  const ahead = [past.at(-1), ...future];
  lines(context, width, height, shades, {
    series: [
      { y: past, colour: "ink" },
      { y: ahead, x: ahead.map((_, i) => length - 1 + i), colour: "accent", dash: [6, 4], width: 2.5 },
    ],
    low: 0, high: Math.max(75, ...past, ...future),
    marks: [0, 3, 6, 9, 12, 15, 18, 21].map((each) => each + 2),
    place: (i) => clock((shown.minute + (i - length + 1) * every + 1440) % 1440),
    unit: "mph",
  });
});

const ask = latest(async () => {
  const road = byId("road").selectedIndex;
  const minute = valueOf("minute");
  const speeds = lastHour();
  const [forecasts, influence] = await Promise.all([
    predict("traffic", { speeds: [speeds], minute: [minute] }),
    predict("traffic", { speeds: [speeds], minute: [minute], road: [road] }, "influence"),
  ]);
  shown = { minute, past: speeds.map((row) => row[road]), future: forecasts[0].map((row) => row[road]) };
  const [now, then] = [shown.past.at(-1), shown.future.at(-1)].map((speed) => speed.toFixed(0));
  byId("label").replaceChildren(`${then} mph in an hour`, element("small", {}, `${now} now`));
  byId("plot").setAttribute("aria-label", `Road ${roads[road]}: ${now} mph at ${clock(minute)}, ${then} mph forecast an hour later`);
  const order = influence[0].map((_, i) => i).sort((a, b) => Math.abs(influence[0][b]) - Math.abs(influence[0][a])).slice(0, 5);
  byId("influence").replaceChildren(...order.map((i) => element(
    "tr", {}, element("td", {}, roads[i] + (i === road ? " (itself)" : "")),
    element("td", {}, `${influence[0][i] < 0 ? "−" : "+"}${Math.abs(influence[0][i]).toFixed(2)} mph`),
  )));
  paint();
  say(`Road ${roads[road]}: ${then} miles per hour in an hour, ${now} now.`);
});

async function take(file) {
  const { header, rows } = await readTable(file, true);
  const places = roads.map((road) => header.indexOf(road));
  const missing = roads.filter((_, i) => places[i] < 0);
  if (missing.length) throw told(`${file.name} lacks ${missing.length} of the ${roads.length} roads, such as ${missing[0]}.`);
  if (rows.length < length) throw told(`${file.name} must have at least ${length} rows; it has ${rows.length}.`);
  // A speed of 0 is one that was not measured.
  read = rows.slice(-length).map((row) => places.map((place) => (Number.isFinite(row[place]) ? row[place] : 0)));
  byId("made").hidden = false;
  ask();
}

byId("road").replaceChildren(...roads.map((road) => element("option", {}, road)));
const showTime = () => (byId("clock").textContent = clock(valueOf("minute")));
byId("minute").addEventListener("input", showTime);
showTime();
for (const id of ["road", "minute", "slower"]) byId(id).addEventListener("input", ask);
takeFiles(byId("drop"), byId("file"), take);
byId("made").addEventListener("click", () => {
  read = null;
  byId("made").hidden = true;
  ask();
});
ask();
