// Draws notes as a piano roll, with bars and a line at the place that sounds.

import { live } from "../plot.js";
import { nameOf } from "./notes.js";

const LEFT = 30;
// How strong the colour of each voice is; the bass is drawn in the colour of letters.
const SHADES = [["accent", 1], ["accent", 0.6], ["edge", 0.9], ["ink", 0.85]];

/**
 * Ties a canvas to a piece.
 *
 * @param {() => {notes, steps, bar, pickup, given, at}} read What to draw now; `given` sixteenths of the soprano are
 *   framed, `at` is the place that sounds.
 * @returns {() => void} Draws again.
 */
export function roll(canvas, read) {
  return live(canvas, (context, width, height, shades) => {
    const { notes, steps, bar, pickup, given, at } = read();
    context.clearRect(0, 0, width, height);
    if (!steps) return;
    const pitches = notes.map(({ pitch }) => pitch);
    const low = Math.min(48, ...pitches) - 1;
    const high = Math.max(72, ...pitches) + 1;
    const tall = (height - 20) / (high - low + 1);
    const wide = (width - LEFT - 4) / steps;
    const atY = (pitch) => (high - pitch) * tall;
    const atX = (step) => LEFT + step * wide;
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.fillStyle = shades.muted;
    context.textAlign = "right";
    for (let pitch = Math.ceil(low / 12) * 12; pitch <= high; pitch += 12) {
      context.fillText(nameOf(pitch), LEFT - 5, atY(pitch) + tall / 2);
      context.globalAlpha = 0.5;
      context.fillStyle = shades.line;
      context.fillRect(LEFT, atY(pitch), width - LEFT, tall);
      context.globalAlpha = 1;
      context.fillStyle = shades.muted;
    }
    context.textAlign = "left";
    const every = wide * bar < 22 ? 4 : 1; // bars that are numbered
    for (let step = pickup, number = 1; step <= steps; step += bar, number++) {
      context.fillStyle = shades.line;
      context.fillRect(atX(step), 0, 1, height - 18);
      context.fillStyle = shades.muted;
      if (step < steps && (number - 1) % every === 0) context.fillText(String(number), atX(step) + 3, height - 8);
    }
    for (const { voice, pitch, from, to } of [...notes].reverse()) {
      const [colour, strength] = SHADES[voice];
      context.globalAlpha = strength;
      context.fillStyle = shades[colour];
      const box = [atX(from) + 0.5, atY(pitch) + 0.5, Math.max(1.5, (to - from) * wide - 1.5), Math.max(2, tall - 1)];
      context.fillRect(...box);
      context.globalAlpha = 1;
      if (voice === 0 && from < given) {
        context.strokeStyle = shades.ink;
        context.lineWidth = 1.5;
        context.strokeRect(...box);
      }
    }
    if (at > 0) {
      context.fillStyle = shades.ink;
      context.fillRect(atX(at) - 1, 0, 2, height - 18);
    }
  });
}

/** The sixteenth at a place of the canvas, from its left in CSS pixels. */
export const stepAt = (canvas, x, steps) => Math.max(0, Math.min(steps - 1, Math.floor(((x - LEFT) / (canvas.clientWidth - LEFT - 4)) * steps)));
