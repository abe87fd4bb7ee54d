// TensorFlow Serving's REST words to the server that the page came from.

const TOKEN = "kerasmlsp-token";

/** An answer of the server that is no success; `message` is the sentence it gave. */
export class ServerError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Asks for the bearer token; a promise of whether one was given. */
function askToken(refused) {
  const dialog = document.createElement("dialog");
  const form = document.createElement("form");
  form.method = "dialog";
  const label = Object.assign(document.createElement("label"), { htmlFor: "token" });
  label.textContent = refused ? "The server refused this token. Token:" : "The server wants a token:";
  const input = Object.assign(document.createElement("input"), {
    id: "token", type: "password", autocomplete: "off", required: true,
  });
  const row = Object.assign(document.createElement("div"), { className: "row" });
  const send = Object.assign(document.createElement("button"), { className: "main", value: "send", textContent: "Use it" });
  const cancel = Object.assign(document.createElement("button"), {
    type: "button", textContent: "Cancel", onclick: () => dialog.close("cancel"),
  });
  row.append(send, cancel);
  form.append(label, input, row);
  dialog.append(form);
  dialog.setAttribute("aria-label", "Token");
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const given = dialog.returnValue === "send" && input.value.trim();
      if (given) sessionStorage.setItem(TOKEN, given);
      dialog.remove();
      resolve(Boolean(given));
    });
  });
}

// Several requests that are refused at once ask once, and who declines is asked no more.
let asking = null;
let declined = false;

async function send(path, options, retried = false) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = { ...options.headers, ...(token && { Authorization: `Bearer ${token}` }) };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerError("The server cannot be reached.", 0);
  }
  if (response.status === 401) {
    // Another request may have been given the token while this one was on its way.
    const renewed = sessionStorage.getItem(TOKEN) !== token;
    if (renewed || (!declined && (await (asking ??= askToken(retried || Boolean(token)).finally(() => (asking = null)))))) {
      return send(path, options, true);
    }
    declined = true;
  }
  if (!response.ok) throw new ServerError(await sentence(response), response.status);
  return response;
}

async function sentence(response) {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text);
    if (typeof error === "string" && error) return error;
    if (error?.message) return error.message;
  } catch {
    // A proxy's page, which says less than the number.
  }
  return `The server answered ${response.status}${response.statusText ? ` (${response.statusText})` : ""}.`;
}

const post = (path, body, signal) =>
  send(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });

/**
 * Calls an endpoint of a model in the column format.
 *
 * @param {string} model Name of the model.
 * @param {object} inputs Values by input; the first axis counts examples.
 * @param {string} endpoint Signature.
 * @returns {Promise<object>} Values by output, or the value where there is one output.
 */
export async function predict(model, inputs, endpoint = "serving_default", signal = undefined) {
  const path = `/v1/models/${encodeURIComponent(model)}:predict`;
  const response = await post(path, { signature_name: endpoint, inputs }, signal);
  return (await response.json()).outputs;
}

/** The card of a model: what it is, learned from, and cannot do. */
export async function readCard(model) {
  return (await send(`/cards/${encodeURIComponent(model)}`, {})).json();
}

/** Names of the models that are served. */
export async function listModels() {
  return (await (await send("/v1/models", {})).json()).models;
}

/** Pieces of text as they are written, of server-sent events. */
export async function* stream(model, body, signal) {
  const response = await post(`/streams/${encodeURIComponent(model)}`, body, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new ServerError("The server broke off before the text was whole.", 0);
    const events = (rest + value).split(/\r?\n\r?\n/);
    rest = events.pop();
    for (const event of events) {
      const data = event.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim()).join("\n");
      if (data === "[DONE]") return;
      if (!data) continue;
      const { text, error } = JSON.parse(data);
      if (error) throw new ServerError(error.message ?? error, 0);
      yield text;
    }
  }
}

/** `{"b64": ...}` of a Blob. */
export async function encoded(blob) {
  const url = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error("This file cannot be read."));
    reader.readAsDataURL(blob);
  });
  return { b64: url.slice(url.indexOf(",") + 1) };
}
