// Sounds notes by Web Audio, and tells where in the piece it is.

import { frequencyOf } from "./notes.js";

const AHEAD = 0.25; // seconds that are scheduled before they sound
const PLACES = [0.25, -0.25, 0.1, -0.05]; // of the voices, from left to right

let context = null;
let out = null;

function sound() {
  if (!context) {
    context = new AudioContext();
    out = context.createDynamicsCompressor();
    out.connect(context.destination);
  }
  context.resume();
  return context;
}

/** Sounds one note: a soft organ of a triangle and its octave. */
function ring(pitch, at, seconds, voice, nodes = new Set()) {
  const gain = context.createGain();
  const place = context.createStereoPanner();
  place.pan.value = PLACES[voice];
  gain.gain.setValueAtTime(0, at);
  gain.gain.linearRampToValueAtTime(0.16, at + 0.025);
  gain.gain.setTargetAtTime(0.1, at + 0.03, 0.35);
  const end = at + Math.max(0.06, seconds - 0.02);
  gain.gain.setTargetAtTime(0, end, 0.045);
  gain.connect(place).connect(out);
  for (const [type, times, loud] of [["triangle", 1, 1], ["sine", 2, 0.28]]) {
    const level = context.createGain();
    level.gain.value = loud;
    const tone = context.createOscillator();
    tone.type = type;
    tone.frequency.value = frequencyOf(pitch) * times;
    tone.connect(level).connect(gain);
    tone.start(at);
    tone.stop(end + 0.4);
    nodes.add(tone);
    tone.onended = () => nodes.delete(tone);
  }
}

/** Sounds a note at once, as of a key that is pressed. */
export function strike(pitch, voice = 0) {
  sound();
  ring(pitch, context.currentTime, 0.45, voice);
}

/** Plays a list of notes from any place, in any tempo, with any voices. */
export class Player {
  /** @param {(step: number, playing: boolean) => void} moved Hears where it is, in sixteenths, about 30 times a second. */
  constructor(moved) {
    this.moved = moved;
    this.notes = [];
    this.steps = 0;
    this.at = 0;
    this.tempo = 80;
    this.muted = new Set();
    this.nodes = new Set();
  }

  get playing() {
    return this.timer !== undefined;
  }

  load(notes, steps) {
    this.pause();
    [this.notes, this.steps, this.at] = [notes, steps, 0];
    this.moved(0, false);
  }

  play() {
    if (this.playing || !this.steps) return;
    sound();
    if (this.at >= this.steps) this.at = 0;
    this.done = this.at; // up to where notes are scheduled
    this.clock = context.currentTime + 0.06; // when `at` sounds
    this.timer = setInterval(() => this.#advance(), 33);
    this.#advance();
  }

  /** Sixteenths per second. */
  get pace() {
    return (4 * this.tempo) / 60;
  }

  #advance() {
    const now = context.currentTime;
    const here = this.at + Math.max(0, now - this.clock) * this.pace;
    if (here >= this.steps) {
      clearInterval(this.timer);
      this.timer = undefined;
      this.at = 0;
      this.moved(0, false);
      return;
    }
    const until = here + AHEAD * this.pace;
    for (const { voice, pitch, from, to } of this.notes) {
      const late = this.done === this.at && from < this.at && to > this.at; // sounding where it is begun
      if ((from < this.done || from >= until) && !late) continue;
      if (this.muted.has(voice)) continue;
      const start = Math.max(from, this.at);
      ring(pitch, this.clock + (start - this.at) / this.pace, (to - start) / this.pace, voice, this.nodes);
    }
    this.done = Math.max(this.done, until);
    this.moved(here, true);
  }

  pause() {
    if (!this.playing) return;
    clearInterval(this.timer);
    this.timer = undefined;
    this.at = Math.min(this.steps, this.at + Math.max(0, context.currentTime - this.clock) * this.pace);
    for (const tone of this.nodes) tone.stop();
    this.nodes.clear();
    this.moved(this.at, false);
  }

  /** Goes to a place, tempo or choice of voices, and on playing if it played. */
  change(set) {
    const played = this.playing;
    this.pause();
    set(this);
    this.moved(this.at, false);
    if (played) this.play();
  }
}
