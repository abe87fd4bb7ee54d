import { listModels } from "./api.js";
import { element, report } from "./ui.js";

// Pages of models that this server does not hold lead nowhere.
try {
  const served = await listModels();
  for (const link of document.querySelectorAll("a[data-model]")) {
    if (served.includes(link.dataset.model)) continue;
    link.replaceWith(element("span", { class: "none" }, ...link.childNodes, element("br"), "Not served here."));
  }
} catch (error) {
  report(error);
}
