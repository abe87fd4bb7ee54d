import { predict } from "../api.js";
import { bars, begin, byId, element, latest, say, told } from "../ui.js";

const EXAMPLES = ["awful", "1960s", "french", "vampire", "spielberg", "boring"];
const COUNT = 8;

await begin("embed");

const word = (id) => byId(id).value.trim();

/** Shows the nearest word in large letters, and all of them as bars. */
function show(place, list, outputs) {
  const names = outputs.nearest[0].filter((name) => name);
  place.textContent = names[0] ?? "nothing";
  list.replaceChildren();
  bars(list, names, outputs.cosine[0].slice(0, names.length).map((cosine) => Math.max(0, cosine)));
  return names;
}

const near = latest(async () => {
  if (!word("text")) return;
  const outputs = await predict("embed", { text: [word("text")], count: [COUNT] }, "similar");
  if (!outputs.known[0]) throw told(`The model does not know the word “${word("text")}”`);
  say(`Near: ${show(byId("label"), byId("cosines"), outputs).join(", ")}.`);
});

const solve = latest(async () => {
  const [a, b, c] = ["a", "b", "c"].map(word);
  if (!(a && b && c)) return;
  const outputs = await predict("embed", { a: [a], b: [b], c: [c], count: [COUNT] }, "analogy");
  const unknown = [a, b, c].filter((_, i) => !outputs.known[0][i]);
  if (unknown.length) throw told(`The model does not know the word “${unknown[0]}”`);
  const names = show(byId("answer"), byId("answers"), outputs);
  say(`${a} is to ${b} as ${c} to ${names[0]}.`);
});

let typed;
for (const [id, ask] of [["text", near], ["a", solve], ["b", solve], ["c", solve]]) {
  byId(id).addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(ask, 300);
  });
}
for (const each of EXAMPLES) {
  byId("examples").append(element("button", { type: "button", onclick: () => { byId("text").value = each; near(); } }, each));
}
near();
solve();
