// Warn before a session ends for want of activity, as on Binder, and say where the work is when the connection is lost.

import { ask } from "./jupyterlab.js";
import { close, isShown, show } from "./notices.js";

const WARN_FROM = 0.7; // of the limit
const RETRY = 5000;
const INPUTS = ["keydown", "pointerdown", "pointermove", "wheel", "scroll"];

const look = (app) => ask(app, "session");
const sayHere = (app) => ask(app, "session", { method: "POST" });

export function watchSession(app, work) {
  app.serviceManager.connectionFailure.connect(() => watchConnection(app, work));
  app.restored.then(() => watchIdleness(app, work)).catch(() => watchConnection(app, work));
}

// A student who reads and scrolls is active too: the server is told so. Nothing is told while nobody is there.
async function watchIdleness(app, work) {
  const { limit } = await look(app);
  if (!limit) return;
  let input = false;
  for (const name of INPUTS) {
    document.addEventListener(name, () => (input = true), { capture: true, passive: true });
  }
  setInterval(async () => {
    try {
      const here = input && !isShown("idle"); // a notice must not flee from the mouse that comes to click on it
      input = false;
      const { idle } = await (here ? sayHere(app) : look(app));
      if (idle >= WARN_FROM * limit) warn(app, work, limit - idle);
      else close("idle");
    } catch {
      watchConnection(app, work);
    }
  }, limit * 50); // twenty times until the limit
}

let warned = null;

function warn(app, work, seconds) {
  const minutes = Math.max(1, Math.round(seconds / 60));
  const saved = work.savedWhen();
  const text = `This session ends in about ${minutes === 1 ? "1 minute" : `${minutes} minutes`} without activity. `
    + (saved
      ? `Your work until ${saved} is in this browser. Download it too if you want to be sure: the next session may open at an address that cannot see it.`
      : "You have written nothing in it yet.");
  if (text === warned && isShown("idle")) return;
  warned = text;
  show({
    name: "idle",
    urgent: true,
    text,
    actions: [
      ["I am still here", () => sayHere(app).catch(() => watchConnection(app, work))],
      ["Download my work", () => work.download()],
    ],
  });
}

let lost = false;
let told = false;

// Ask until the server answers again. One failed request is no lost connection yet: it is asked before it is said.
async function watchConnection(app, work) {
  if (lost) return;
  lost = true;
  while (!(await answers(app))) {
    close("idle");
    if (!told) tellLost(work);
    await new Promise((resolve) => setTimeout(resolve, RETRY));
  }
  lost = told = false;
  close("lost");
}

function tellLost(work) {
  told = true;
  const saved = work.savedWhen();
  show({
    name: "lost",
    urgent: true,
    text: saved
      ? `The connection is lost. Your work until ${saved} is in this browser and comes back when you open the course again. `
        + "What you write before that is not saved."
      : "The connection is lost. What you write now is not saved: open the course again.",
    actions: [...(saved ? [["Download the saved work", () => work.downloadSaved()]] : []), ["Close", () => {}]],
  });
}

async function answers(app) {
  try {
    await look(app);
    return true;
  } catch {
    return false;
  }
}
