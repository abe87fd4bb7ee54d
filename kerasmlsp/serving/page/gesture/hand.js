// A sheet to draw a hand on, and a hand whose fingers are stretched or not.

const GROUND = ["#e9e6e0", "#d2cfc9"];
const SKIN = "#cd9270";
// From where to where each finger goes on a sheet of 200 x 200, and how wide it is.
const FINGERS = [[82, 142, 38, 98, 20], [80, 116, 67, 42, 17], [99, 110, 93, 28, 17.5], [116, 112, 119, 38, 17], [125, 122, 146, 62, 15]];
// The folded ones end above the palm.
const FOLDED = [[84, 146, 116, 136, 20], [82, 116, 80, 104, 17], [98, 112, 98, 100, 17.5], [114, 113, 115, 102, 17], [126, 120, 128, 110, 15]];

function ground(canvas) {
  const context = canvas.getContext("2d");
  const shade = context.createLinearGradient(0, 0, canvas.width, canvas.height);
  GROUND.forEach((colour, i) => shade.addColorStop(i, colour));
  context.fillStyle = shade;
  context.fillRect(0, 0, canvas.width, canvas.height);
  return context;
}

function stroke(context, colour, width, ...points) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  context.moveTo(...points[0]);
  for (const point of points.slice(1)) context.lineTo(...point);
  context.stroke();
}

/** Draws a hand with the fingers of these numbers stretched, 0 for the thumb; null leaves the sheet empty. */
export function drawHand(canvas, stretched) {
  const context = ground(canvas);
  if (!stretched) return;
  const scale = canvas.width / 200;
  context.save();
  context.scale(scale, scale);
  context.filter = `blur(${scale * 0.8}px)`;
  stroke(context, SKIN, 48, [102, 230], [102, 150]);
  stroke(context, SKIN, 44, [96, 128], [112, 128], [112, 146], [98, 148]);
  FINGERS.forEach(([fromX, fromY, toX, toY, width], finger) => {
    if (stretched.includes(finger)) stroke(context, SKIN, width, [fromX, fromY], [toX, toY]);
  });
  FOLDED.forEach(([fromX, fromY, toX, toY, width], finger) => {
    if (stretched.includes(finger)) return;
    stroke(context, "#b67c5c", width + 1.5, [fromX, fromY], [toX, toY]);
    stroke(context, SKIN, width - 2, [fromX, fromY], [toX, toY]);
  });
  context.restore();
}

/** Lets a finger or the mouse draw in the colour of skin; `begun` and `done` are called around each stroke. */
export function sheet(canvas, begun, done) {
  let last = null;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * canvas.width, ((event.clientY - box.top) / box.height) * canvas.height];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = place(event);
    begun();
    stroke(canvas.getContext("2d"), SKIN, canvas.width / 12, last, last);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    const next = place(event);
    stroke(canvas.getContext("2d"), SKIN, canvas.width / 12, last, next);
    last = next;
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(kind, () => {
      if (last) done();
      last = null;
    });
  }
}
