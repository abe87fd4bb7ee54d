import { predict } from "../api.js";
import { answer, bars, begin, byId, element, latest, percent, say, told } from "../ui.js";

const EXAMPLES = {
  "Praise": "A warm, funny and beautifully played film. I left the cinema happy.",
  "Slating": "Two hours of my life that I will not get back. The plot is a mess and the jokes are painful.",
  "A turn": "Everybody told me that this film was terrible. They were wrong: I loved every minute.",
  "Irony": "Oh great, another sequel. Just what the world needed.",
};
const MEANING = {
  attention: "The more colour, the more of the attention a word got. Attention shows where the net looked, not why it decided.",
  without: "Each word was left out in turn. Filled: the label is less likely without the word; framed: it is likelier without it.",
};
const MOST_WORDS = 120;

const { classes = ["neg", "pos"] } = await begin("sentiment");

/** What is coloured how much: weights of tokens, negative where a word speaks against the label. */
async function weigh(by, row) {
  if (by === "attention") return row.attention;
  if (row.tokens.length > MOST_WORDS) throw told(`Leaving out words is for texts of up to ${MOST_WORDS} words and marks.`);
  const all = row.tokens.join(" ");
  const texts = row.tokens.map((_, i) => row.tokens.filter((_, j) => j !== i).join(" "));
  const { probabilities } = await predict("sentiment", { text: [all, ...texts] });
  const place = classes.indexOf(row.label);
  const [whole, ...parts] = probabilities.map((shares) => shares[place]);
  return parts.map((share) => whole - share);
}

function colour(row, weights, by) {
  const most = Math.max(...weights.map(Math.abs), 1e-9);
  byId("words").replaceChildren(...row.tokens.flatMap((token, i) => {
    const weight = Math.abs(weights[i]) / most;
    const word = element("span", { title: percent(weights[i]) }, token);
    word.style.setProperty("--weight", weight < 0.02 ? 0 : weight);
    word.classList.toggle("against", weights[i] < 0 && weight >= 0.02);
    return i && !/^[.,!?;:)'’]/.test(token) ? [" ", word] : [word];
  }));
  const order = row.tokens.map((_, i) => i).sort((a, b) => Math.abs(weights[b]) - Math.abs(weights[a])).slice(0, 4);
  byId("meaning").textContent = MEANING[by];
  byId("most").textContent = `Most weight: ${order.map((i) => `${row.tokens[i]} (${percent(weights[i])})`).join(", ")}.`;
}

const ask = latest(async () => {
  const text = byId("text").value;
  const by = document.querySelector("input[name=by]:checked").value;
  if (!text.trim()) return;
  const outputs = await predict("sentiment", { text: [text] }, "explain");
  const row = Object.fromEntries(Object.entries(outputs).map(([name, values]) => [name, values[0]]));
  answer(byId("label"), row.label, row.confidence, row.unsure);
  bars(byId("shares"), classes, row.probabilities);
  colour(row, await weigh(by, row), by);
  say(`${byId("label").textContent}. ${byId("most").textContent}`);
});

let typed;
byId("text").addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(ask, 300);
});
for (const input of document.querySelectorAll("input[name=by]")) input.addEventListener("change", ask);
for (const [name, text] of Object.entries(EXAMPLES)) {
  byId("examples").append(element("button", { type: "button", onclick: () => { byId("text").value = text; ask(); } }, name));
}
ask();
