import { stream } from "../api.js";
import { begin, byId, element, report, say, valueOf, wholeNumber } from "../ui.js";

const page = { text: byId("text"), write: byId("write"), stop: byId("stop"), more: byId("more") };
let running = null;
begin("chargen");

function settings() {
  return {
    length: valueOf("length"), temperature: valueOf("temperature"), top_k: valueOf("top_k"), top_p: valueOf("top_p"),
    seed: wholeNumber("seed"),
  };
}

/** Streams text behind what `given` says, which stands before it in grey. */
async function write(given) {
  running?.abort();
  const own = (running = new AbortController());
  let written = "";
  try {
    report(null);
    const body = { prompt: given, ...settings() };
    page.text.replaceChildren(element("span", { class: "given" }, given), "");
    const place = page.text.lastChild;
    page.stop.disabled = false;
    page.more.disabled = true;
    for await (const piece of stream("chargen", body, own.signal)) {
      written += piece;
      place.data = written;
    }
    say(`${written.length} characters written: ${written.slice(0, 300)}`);
  } catch (error) {
    if (error.name === "AbortError" && running === own) say(`Stopped after ${written.length} characters.`);
    report(error);
  } finally {
    if (running === own) {
      running = null;
      if (document.activeElement === page.stop) page.write.focus();
      page.stop.disabled = true;
      page.more.disabled = !page.text.textContent;
    }
  }
}

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  write(byId("prompt").value);
});
page.stop.addEventListener("click", () => running?.abort());
page.more.addEventListener("click", () => write(page.text.textContent));
