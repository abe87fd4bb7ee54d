// A picture from a file, the clipboard, an example or the camera, as a canvas.

import { byId, during, report, takeFiles, told } from "./ui.js";

const SIDE = 640; // longest side that is kept: the models see fewer pixels

/** A canvas with a picture, turned as its EXIF data say, at most `SIDE` high and wide. */
export async function readPicture(blob) {
  let picture;
  try {
    picture = await createImageBitmap(blob, { imageOrientation: "from-image" });
  } catch {
    throw told(`${blob.name ? `${blob.name} is` : "This is"} no picture that the browser can read.`);
  }
  const scale = Math.min(1, SIDE / Math.max(picture.width, picture.height));
  return copy(picture, picture.width * scale, picture.height * scale);
}

/** A copy of a picture or of a part of it, on white where it is transparent. */
export function copy(picture, width, height, part = null) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width));
  canvas.height = Math.max(1, Math.round(height));
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, ...(part ?? []), 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** The bytes of a canvas as JPEG, for `serving_bytes`. */
export const jpeg = (canvas) => new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));

/** Pixels `(height, width, 3)` of a canvas brought to a size. */
export function pixelsOf(canvas, size) {
  const { data } = copy(canvas, size, size).getContext("2d").getImageData(0, 0, size, size);
  return Array.from({ length: size }, (_, y) =>
    Array.from({ length: size }, (_, x) => Array.from(data.subarray(4 * (y * size + x), 4 * (y * size + x) + 3))));
}

/** The camera: shows what it sees and gives frames. */
export class Camera {
  constructor(video) {
    this.video = video;
  }

  async open() {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw told("The browser lends no camera to this page: it needs https, or an address on this computer.");
    }
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } } });
    } catch (error) {
      throw told(error.name === "NotAllowedError" ? "The camera was not allowed for this page." : "There is no camera that answers.");
    }
    this.video.srcObject = this.stream;
    this.video.hidden = false;
    await this.video.play();
  }

  /** What is seen now; its middle as a square, if asked. */
  frame(square) {
    const { videoWidth: width, videoHeight: height } = this.video;
    const side = Math.min(width, height);
    if (square) return copy(this.video, Math.min(side, SIDE), Math.min(side, SIDE), [(width - side) / 2, (height - side) / 2, side, side]);
    const scale = Math.min(1, SIDE / Math.max(width, height));
    return copy(this.video, width * scale, height * scale);
  }

  close() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.video.srcObject = null;
    this.video.hidden = true;
  }
}

/**
 * Ties the buttons of a page to the sources of pictures.
 *
 * @param {(canvas, alt: string) => void} take Gets each picture and what to call it.
 * @param {{ example: string, alt: string, square: boolean }} settings The example's address and what it shows, and
 *   whether pictures of the camera are cut square.
 * @returns {{ camera: Camera, shut: () => void }}
 */
export function sources(take, { example, alt, square }) {
  const camera = new Camera(byId("video"));
  const button = byId("camera");
  const shut = () => {
    camera.close();
    byId("shutter").hidden = true;
    button.setAttribute("aria-pressed", "false");
  };
  const read = async (file) => {
    report(null);
    const picture = await readPicture(file);
    shut();
    take(picture, `The picture ${file.name ?? "that was pasted"}`);
  };
  takeFiles(byId("drop"), byId("file"), read);
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find(({ type }) => type.startsWith("image/"));
    if (file) read(file).catch(report);
  });
  byId("example").addEventListener("click", () => during(byId("example"), async () => {
    const picture = await readPicture(await (await fetch(example)).blob());
    shut();
    take(picture, alt);
  }));
  button.addEventListener("click", () => {
    if (camera.stream) return shut();
    return during(button, async () => {
      await camera.open();
      byId("shutter").hidden = false;
      button.setAttribute("aria-pressed", "true");
    });
  });
  byId("take").addEventListener("click", () => {
    const picture = camera.frame(square);
    shut();
    take(picture, "The picture of the camera");
    button.focus();
  });
  return { camera, shut };
}
