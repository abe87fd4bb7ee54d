// Drawings on canvas in the colours of the page.

/** Colours of the page as they are now, light or dark. */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return { ink: of("ink"), muted: of("muted"), edge: of("edge"), line: of("line"), accent: of("accent"), surface: of("surface"), warn: of("warn") };
}

/**
 * Draws a canvas now and whenever its size or the colours change.
 *
 * @param {HTMLCanvasElement} canvas Its size comes from the style sheet.
 * @param {(context, width, height, colours) => void} draw In CSS pixels.
 * @returns {() => void} Draws again.
 */
export function live(canvas, draw) {
  const paint = () => {
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width || !height) return;
    const scale = Math.min(devicePixelRatio || 1, 16000 / width);
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    draw(context, width, height, colours());
  };
  new ResizeObserver(paint).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  return paint;
}

const FONT = "12px system-ui, sans-serif";

/** Round numbers that divide a range in about `count` parts. */
export function ticks(low, high, count) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((each) => each * power >= rough) * power;
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-6; at += step) found.push(Number(at.toPrecision(6)));
  return found;
}

/**
 * Draws lines over one another, with axes.
 *
 * @param {object} what `series`: list of `{ y, x?, colour, dash?, width? }` with colours by name; `areas`: list of
 *   `{ from, to, colour }` behind them; `fill`: `{ y, colour }` from the bottom, in a scale of its own; `low`, `high`:
 *   ends of the y axis; `unit`, `across`: labels of the axes; `place`: x of a value as text.
 */
export function lines(context, width, height, shades, what) {
  const values = what.series.flatMap(({ y }) => y.filter(Number.isFinite));
  const length = Math.max(...what.series.map(({ y, x }) => (x ? Math.max(...x) + 1 : y.length)), 2);
  let low = what.low ?? Math.min(...values);
  let high = what.high ?? Math.max(...values);
  if (!(high > low)) [low, high] = [low - 1, high + 1];
  const margin = (high - low) * 0.06;
  if (what.low === undefined) low -= margin;
  if (what.high === undefined) high += margin;
  const [left, right, top, bottom] = [42, 8, 18, what.across ? 36 : 20];
  const atX = (i) => left + ((width - left - right) * i) / (length - 1);
  const atY = (value) => top + (height - top - bottom) * (1 - (value - low) / (high - low));
  context.clearRect(0, 0, width, height);
  context.font = FONT;
  context.lineWidth = 1;
  context.fillStyle = shades.muted;
  context.strokeStyle = shades.line;
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const at of ticks(low, high, height / 45)) {
    context.beginPath();
    context.moveTo(left, atY(at));
    context.lineTo(width - right, atY(at));
    context.stroke();
    context.fillText(String(at).replace("-", "−"), left - 6, atY(at));
  }
  context.textAlign = "center";
  context.textBaseline = "top";
  const place = what.place ?? String;
  let free = 0; // from where on there is room for the next label
  for (const at of what.marks ?? ticks(0, length - 1, width / 90)) {
    const [text, x] = [place(at), Math.min(atX(at), width - 18)];
    const half = context.measureText(text).width / 2;
    if (x - half < free) continue;
    context.fillText(text, x, height - bottom + 5);
    free = x + half + 8;
  }
  if (what.across) context.fillText(what.across, left + (width - left - right) / 2, height - 15);
  context.textAlign = "left";
  context.textBaseline = "top";
  if (what.unit) context.fillText(what.unit, 4, 0);
  for (const { from, to, colour } of what.areas ?? []) {
    context.globalAlpha = 0.16;
    context.fillStyle = shades[colour];
    context.fillRect(atX(from), top, atX(to) - atX(from), height - top - bottom);
    context.globalAlpha = 1;
  }
  if (what.fill) fill(context, what.fill, shades, atX, height - bottom, (height - top - bottom) * 0.9);
  for (const { y, x, colour, dash, width: thick } of what.series) {
    context.strokeStyle = shades[colour];
    context.lineWidth = thick ?? 2;
    context.setLineDash(dash ?? []);
    context.beginPath();
    y.forEach((value, i) => context[i ? "lineTo" : "moveTo"](atX(x ? x[i] : i), atY(value)));
    context.stroke();
  }
  context.setLineDash([]);
}

function fill(context, { y, colour, most }, shades, atX, ground, height) {
  context.globalAlpha = 0.3;
  context.fillStyle = shades[colour];
  context.beginPath();
  context.moveTo(atX(0), ground);
  y.forEach((value, i) => context.lineTo(atX(i), ground - height * Math.min(1, value / most)));
  context.lineTo(atX(y.length - 1), ground);
  context.fill();
  context.globalAlpha = 1;
}

/**
 * Draws a picture, amber where a map is high and dark where it is low.
 *
 * @param {HTMLCanvasElement} picture Null leaves the map alone, to lie over something else.
 * @param {number[][]} map Rows of weights of any scale; null leaves the picture as it is.
 * @param {number} most What counts as all; the map's highest by default.
 */
export function spotlight(canvas, picture, map, most = undefined) {
  if (picture) [canvas.width, canvas.height] = [picture.width, picture.height];
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (picture) context.drawImage(picture, 0, 0);
  if (!map) return;
  const full = most ?? Math.max(...map.flat());
  const small = new OffscreenCanvas(map[0].length, map.length);
  const shade = new ImageData(small.width, small.height);
  map.flat().forEach((value, i) => {
    const weight = full > 0 ? Math.min(1, value / full) : 0;
    shade.data.set([255 * weight, 176 * weight, 0, 255 * (0.55 - 0.12 * weight)], 4 * i);
  });
  small.getContext("2d").putImageData(shade, 0, 0);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
}

/** Draws grey or coloured pixels `(height, width, 1 or 3)` of 0 to 255. */
export function pixels(canvas, rows) {
  canvas.height = rows.length;
  canvas.width = rows[0].length;
  const image = new ImageData(canvas.width, canvas.height);
  rows.flat().forEach((values, i) => {
    const [red, green = red, blue = red] = values;
    image.data.set([red, green, blue, 255], 4 * i);
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
}
