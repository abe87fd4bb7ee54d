import { predict } from "../api.js";
import { begin, byId, element, latest, percent, say } from "../ui.js";

const EXAMPLES = {
  "Two dogs": "Two brown dogs are running through the snow.",
  "A market": "A woman in a red coat is buying vegetables at an outdoor market.",
  "No picture": "The committee will vote on the budget next Thursday.",
};

await begin("translate");

/** Units of words as people write them: a space stands where a word begins. */
const shown = (unit) => unit.replace("▁", "") || "▁";

function draw(source, target, weights) {
  const names = source.map((unit, i) => (i === source.length - 1 ? "end" : shown(unit)));
  const head = element("tr", {}, element("td"), ...names.map((name) => element("th", { scope: "col" }, element("span", {}, name))));
  byId("matrix").replaceChildren(head, ...target.map((unit, row) => element("tr", {},
    element("th", { scope: "row" }, shown(unit)),
    ...names.map((name, column) => {
      const cell = element("td", { title: `${shown(unit)} looked at ${name}: ${percent(weights[row][column])}` });
      cell.style.setProperty("--weight", weights[row][column]);
      return cell;
    }),
  )));
}

const ask = latest(async () => {
  const text = byId("text").value;
  if (!text.trim()) return;
  const outputs = await predict("translate", { text: [text] }, "explain");
  const [source, target] = [outputs.source_units[0], outputs.target_units[0]].map((units) => units.filter((unit) => unit));
  byId("label").textContent = outputs.translation[0] || "nothing";
  draw(source, target, outputs.attention[0]);
  say(`In German: ${outputs.translation[0]}`);
});

let typed;
byId("text").addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(ask, 400);
});
for (const [name, text] of Object.entries(EXAMPLES)) {
  byId("examples").append(element("button", { type: "button", onclick: () => { byId("text").value = text; ask(); } }, name));
}
ask();
