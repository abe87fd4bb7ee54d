// Recordings: one that is made up, a table's, and one of the phone that shows the page.

import { chance, told } from "../ui.js";

const SAT = [-3.9, -1.2, -9.1];
const STOOD = [-0.4, -9.8, -1];
const wave = (time, frequency, phase = 0) => Math.sin(2 * Math.PI * frequency * time + phase);
const blend = (from, to, share) => from.map((value, i) => value + (to[i] - value) * share);
/** From 0 to 1, slow at both ends. */
const ease = (share) => (1 - Math.cos(Math.PI * share)) / 2;

/** Short beats, one in each period, as of a heel. */
const beat = (time, frequency, phase) => Math.exp(3 * (Math.cos(2 * Math.PI * frequency * time + phase) - 1));

/** Two steps take a second, about; the turning of a leg half as many. */
function steps(time, amount) {
  return [
    1.5 * wave(time, 1.9) + 1.5 * wave(time, 3.8, 1), 2.8 - 8.4 * beat(time, 1.9, 0.6) + 1.4 * wave(time, 0.95),
    1.3 * wave(time, 1.9, 2) + 0.9 * wave(time, 3.8), 0.9 * wave(time, 0.95) + 0.25 * wave(time, 1.9, 1),
    0.7 * wave(time, 0.95, 2) + 0.4 * wave(time, 1.9), 0.7 * wave(time, 0.95, 1) + 0.3 * wave(time, 1.9),
  ].map((value) => amount * value);
}

// What somebody does for how many seconds; each gives gravity, turning and how much of a step there is.
const PARTS = [
  [2, () => [SAT, [0, 0, 0], 0]],
  [1.3, (share) => [blend(SAT, STOOD, ease(share)), [1.7 * wave(share, 0.5), -0.3 * wave(share, 0.5), -0.8 * wave(share, 0.5)], 0.1]],
  [3.2, () => [STOOD, [0, 0, 0], 1]],
  [1.4, (share) => [STOOD, [0, -3.2 * wave(share, 0.5), -0.2], 0.45]],
  [3.2, () => [STOOD, [0, 0, 0], 1]],
  [1.5, (share) => [blend(STOOD, SAT, ease(share)), [-1.2 * wave(share, 0.5), 0.3 * wave(share, 0.5), 0.8 * wave(share, 0.5)], 0.15]],
  [2.4, () => [SAT, [0, 0, 0], 0]],
];

/** Somebody sits, stands up, walks, turns, walks and sits down: `(samples, 6)` in m/s² and rad/s. */
export function madeUp(rate) {
  const random = chance(3);
  const samples = [];
  let begun = 0;
  for (const [seconds, part] of PARTS) {
    for (let i = 0; i < Math.round(seconds * rate); i++) {
      const time = begun + i / rate;
      const [gravity, turning, amount] = part(i / rate / seconds);
      const step = steps(time, amount);
      samples.push([...gravity, ...turning].map((value, k) => value + step[k] + (0.06 + 2 * amount) * (random() - 0.5)));
    }
    begun += seconds;
  }
  return samples;
}

/** Brings samples at any times (seconds, ascending) to a rate, along straight lines. */
export function evenly(times, samples, rate) {
  const count = Math.floor((times.at(-1) - times[0]) * rate) + 1;
  let next = 1;
  return Array.from({ length: count }, (_, i) => {
    const at = times[0] + i / rate;
    while (next < times.length - 1 && times[next] < at) next += 1;
    const span = times[next] - times[next - 1];
    return blend(samples[next - 1], samples[next], span > 0 ? (at - times[next - 1]) / span : 1);
  });
}

/** The samples of a table with the model's channels and a column of times. */
export function ofTable({ header, rows }, { channels, rate, time_column: timeColumn }, name) {
  if (!header) throw told(`${name} must begin with a row of the names ${channels.join(", ")} and ${timeColumn}.`);
  const places = channels.map((channel) => header.indexOf(channel));
  const missing = channels.filter((_, i) => places[i] < 0);
  if (missing.length) throw told(`${name} has no column ${missing[0]}.`);
  const clock = [timeColumn, "time", "timestamp"].map((each) => header.indexOf(each)).find((each) => each >= 0);
  const kept = rows.filter((row) => places.every((place) => Number.isFinite(row[place])) && (clock === undefined || Number.isFinite(row[clock])));
  if (kept.length < 2) throw told(`${name} holds fewer than two samples.`);
  const samples = kept.map((row) => places.map((place) => row[place]));
  if (clock === undefined) return samples;
  // Seconds, or a thousandth, millionth or billionth of one, as the steps of a sensor tell.
  const raw = kept.map((row) => row[clock] - kept[0][clock]);
  const mean = (raw.at(-1) || 1) / (raw.length - 1);
  const unit = [1, 1e3, 1e6, 1e9].find((each) => mean / each < 0.5) ?? 1e9;
  const order = raw.map((_, i) => i).sort((a, b) => raw[a] - raw[b]);
  return evenly(order.map((i) => raw[i] / unit), order.map((i) => samples[i]), rate);
}

/** Listens to the sensors of this device for some seconds; `tick` hears of each that is left. */
export async function ofPhone(seconds, rate, tick) {
  if (typeof DeviceMotionEvent === "undefined") throw told("This browser gives no motion sensors.");
  if ((await DeviceMotionEvent.requestPermission?.()) === "denied") throw told("The motion sensors were not allowed for this page.");
  const [times, samples] = [[], []];
  const hear = ({ accelerationIncludingGravity: acceleration, rotationRate: turning, timeStamp }) => {
    if (acceleration?.x == null || turning?.alpha == null) return;
    times.push(timeStamp / 1000);
    // Degrees to rad; the axes of alpha, beta and gamma are z, x and y.
    const radians = [turning.beta, turning.gamma, turning.alpha].map((each) => (each * Math.PI) / 180);
    samples.push([acceleration.x, acceleration.y, acceleration.z, ...radians]);
  };
  addEventListener("devicemotion", hear);
  for (let left = seconds; left > 0; left--) {
    tick(left);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  removeEventListener("devicemotion", hear);
  if (times.length < 2) throw told("No motion sensor answers here; a phone has them, and its browser wants https.");
  return evenly(times, samples, rate);
}
