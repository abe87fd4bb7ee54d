// What the grid of the model means: four voices in sixteenths, as notes, words and MIDI.

export const VOICES = ["Soprano", "Alto", "Tenor", "Bass"];
const NAMES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];
// How many sharps (flats below 0) the major key on each tonic has.
const SHARPS = [0, -5, 2, -3, 4, -1, 6, 1, -4, 3, -2, 5];

/** Name of a MIDI pitch, such as C4 for 60. */
export const nameOf = (pitch) => `${NAMES[pitch % 12]}${Math.floor(pitch / 12) - 1}`;

/** Hertz of a MIDI pitch. */
export const frequencyOf = (pitch) => 440 * 2 ** ((pitch - 69) / 12);

/**
 * Notes of a grid.
 *
 * @param {number[][]} pitches `(steps, 4)`: MIDI pitches, 0 for a rest.
 * @param {boolean[][]} onsets `(steps, 4)`: where a note begins anew.
 * @returns {{voice, pitch, from, to}[]} In the order in which they begin; `from` and `to` in sixteenths.
 */
export function notesOf(pitches, onsets) {
  const notes = [];
  for (let voice = 0; voice < VOICES.length; voice++) {
    let open = null;
    pitches.forEach((row, step) => {
      const pitch = row[voice];
      if (open && pitch === open.pitch && !onsets[step][voice]) open.to = step + 1;
      else open = pitch > 0 ? { voice, pitch, from: step, to: step + 1 } : null;
      if (open?.from === step) notes.push(open);
    });
  }
  return notes.sort((a, b) => a.from - b.from || a.voice - b.voice);
}

/**
 * Makes the inputs of `complete` from a melody: the soprano is given, the rest is to be written.
 *
 * @param {{pitch, length}[]} melody Pitches, 0 for a rest, and lengths in sixteenths.
 * @param {number} steps Length of the piece; the soprano is free where the melody has ended.
 */
export function given(melody, steps) {
  const pitches = Array.from({ length: steps }, () => [-1, -1, -1, -1]);
  const onsets = Array.from({ length: steps }, () => [false, false, false, false]);
  let at = 0;
  for (const { pitch, length } of melody) {
    if (at < steps && pitch > 0) onsets[at][0] = true;
    for (let step = at; step < Math.min(steps, at + length); step++) pitches[step][0] = pitch;
    at += length;
  }
  return { pitches, onsets };
}

const bytesOf = (number, count) => Array.from({ length: count }, (_, i) => (number >> (8 * (count - 1 - i))) & 255);

/** A number in groups of seven bits, as times stand in MIDI. */
function variable(number) {
  const bytes = [number & 127];
  for (let rest = number >> 7; rest > 0; rest >>= 7) bytes.unshift((rest & 127) | 128);
  return bytes;
}

function track(events) {
  const body = [];
  let last = 0;
  for (const { at, bytes } of events.sort((a, b) => a.at - b.at || a.first - b.first)) {
    body.push(...variable(at - last), ...bytes);
    last = at;
  }
  body.push(0, 0xff, 0x2f, 0);
  return [...[..."MTrk"].map((letter) => letter.charCodeAt(0)), ...bytesOf(body.length, 4), ...body];
}

/**
 * Writes a standard MIDI file: format 1, a track for tempo, metre and key, and one for each voice.
 *
 * @param {{notes, tempo, bar, pickup, tonic, minor}} piece Tempo in quarters per minute, the rest as the model's inputs.
 * @returns {Uint8Array}
 */
export function midi({ notes, tempo, bar, pickup, tonic, minor }) {
  const sixteenth = 120; // ticks; a quarter has 480
  const metre = (quarters) => [0xff, 0x58, 4, quarters, 2, 24, 8];
  const sharps = SHARPS[(tonic + (minor ? 3 : 0)) % 12];
  const head = [
    { at: 0, first: 0, bytes: [0xff, 0x51, 3, ...bytesOf(Math.round(60e6 / tempo), 3)] },
    { at: 0, first: 1, bytes: [0xff, 0x59, 2, sharps & 255, minor ? 1 : 0] },
    ...(pickup ? [{ at: 0, first: 2, bytes: metre(pickup / 4) }] : []),
    { at: pickup * sixteenth, first: 3, bytes: metre(bar / 4) },
  ];
  const voices = VOICES.map((name, voice) => [
    { at: 0, first: 0, bytes: [0xff, 3, name.length, ...[...name].map((letter) => letter.charCodeAt(0))] },
    { at: 0, first: 1, bytes: [0xc0 | voice, 19] }, // a church organ
    ...notes.filter((note) => note.voice === voice).flatMap(({ pitch, from, to }) => [
      { at: from * sixteenth, first: 3, bytes: [0x90 | voice, pitch, 80] },
      // Notes end before others begin at the same time.
      { at: to * sixteenth, first: 2, bytes: [0x80 | voice, pitch, 0] },
    ]),
  ]);
  const file = [...[..."MThd"].map((letter) => letter.charCodeAt(0)), ...bytesOf(6, 4), ...bytesOf(1, 2), ...bytesOf(5, 2), ...bytesOf(480, 2)];
  return new Uint8Array([...file, ...[head, ...voices].flatMap(track)]);
}
