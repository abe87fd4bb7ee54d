// A keyboard on the screen, which that of the computer plays, too.

import { element } from "../ui.js";
import { nameOf } from "./notes.js";

const LOW = 60;
const HIGH = 81;
const BLACK = [1, 3, 6, 8, 10];
// As on a piano, by the places of keys whatever letters they bear.
const CODES = ["KeyA", "KeyW", "KeyS", "KeyE", "KeyD", "KeyF", "KeyT", "KeyG", "KeyY", "KeyH", "KeyU", "KeyJ", "KeyK", "KeyO", "KeyL", "KeyP", "Semicolon", "Quote"];
const LENGTHS = { Digit1: 16, Digit2: 8, Digit4: 4, Digit8: 2 };

const spokenName = (pitch) => nameOf(pitch).replace("♯", " sharp ");

/**
 * Fills a group with keys from C4 to A5.
 *
 * @param {HTMLElement} group Takes the focus; arrows go from key to key.
 * @param {{ press, rest, undo, length }} on What to do with a pitch, a rest, the last note, and a length in sixteenths.
 */
export function keyboard(group, on) {
  const buttons = new Map();
  const whites = [];
  for (let pitch = LOW; pitch <= HIGH; pitch++) {
    const black = BLACK.includes(pitch % 12);
    const button = element("button", { type: "button", class: black ? "black" : "white", tabIndex: pitch === LOW ? 0 : -1, "aria-label": spokenName(pitch) });
    if (!black) {
      button.textContent = nameOf(pitch);
      whites.push(button);
    }
    button.addEventListener("click", () => on.press(pitch));
    buttons.set(pitch, button);
    group.append(button);
  }
  // A black key lies over the border of the whites beside it.
  for (const [pitch, button] of buttons) {
    if (button.className !== "black") continue;
    button.style.left = `${(100 * (whites.indexOf(buttons.get(pitch - 1)) + 1)) / whites.length}%`;
  }

  const flash = (pitch) => {
    buttons.get(pitch).classList.add("down");
    setTimeout(() => buttons.get(pitch).classList.remove("down"), 180);
  };

  function step(pitch, by) {
    const next = buttons.get(pitch + by);
    if (!next) return;
    buttons.get(pitch).tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }

  group.parentElement.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    const { code } = event;
    const focused = [...buttons].find(([, button]) => button === document.activeElement)?.[0];
    const pitch = LOW + CODES.indexOf(code);
    if (CODES.includes(code)) {
      if (event.repeat) return;
      on.press(pitch);
      flash(pitch);
    } else if (focused && (code === "ArrowRight" || code === "ArrowUp")) step(focused, 1);
    else if (focused && (code === "ArrowLeft" || code === "ArrowDown")) step(focused, -1);
    else if (code === "Backspace" || code === "Delete") on.undo();
    else if (code === "Digit0") on.rest();
    else if (LENGTHS[code]) on.length(LENGTHS[code]);
    else return;
    event.preventDefault();
  });
}
