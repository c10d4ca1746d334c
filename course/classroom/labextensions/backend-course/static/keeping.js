// Nothing lost: all work and progress is kept in this browser after each save, can be downloaded as one zip file, and
// comes back from either.

import { keepWork, savedWork } from "./browser-store.js";
import { element } from "./dom.js";
import { ask, request, shared } from "./jupyterlab.js";
import { watchKernels } from "./kernel-crash.js";
import { courseMenu } from "./menu.js";
import { show, tell } from "./notices.js";
import { saveChanged, saveInTurn } from "./saving.js";
import { watchSession } from "./session-end.js";

const DOWNLOAD = "course:download-work";
const RESTORE = "course:restore-work";
const RESTORE_SAVED = "course:restore-saved-work";
const PAUSE = 1500; // milliseconds after the last change, so that a run of cells is kept once

export async function keepingPlugin() {
  const { ICommandPalette } = await shared("@jupyterlab/apputils");
  const { IMainMenu } = await shared("@jupyterlab/mainmenu");
  const { INotebookTracker, NotebookActions } = await shared("@jupyterlab/notebook");
  const { IStatusBar } = await shared("@jupyterlab/statusbar");
  const { Widget } = await shared("@lumino/widgets");
  await saveInTurn();

  return {
    id: "backend-course:keeping",
    description: "Keeps all work in the browser, and brings it back.",
    autoStart: true,
    requires: [INotebookTracker],
    optional: [ICommandPalette, IMainMenu, IStatusBar],
    activate(app, tracker, palette, mainMenu, statusBar) {
      const keeper = new Keeper(app, statusItem(statusBar, Widget));
      addCommands(app, keeper, palette, mainMenu);
      keepAfterChanges(app, keeper, NotebookActions);
      watchKernels(app, tracker, NotebookActions);
      watchSession(app, {
        savedWhen: () => keeper.savedWhen,
        download: () => keeper.download(),
        downloadSaved: () => keeper.downloadSaved(),
      });
      app.restored.then(() => keeper.offer()).catch(notKept);
    },
  };
}

class Keeper {
  constructor(app, status) {
    this.app = app;
    this.status = status;
    this.saved = null; // what this page has kept last, as browser-store.js has it
    this.complaint = null; // the last trouble that was told, so that it is told once
  }

  get savedWhen() {
    return this.saved && clock(this.saved.at);
  }

  // Put the work, as it is on disk, in this browser. Nothing is kept of a working copy in which nothing is written yet.
  async keep() {
    const work = await fetchWork(this.app);
    if (work.files === 0) return;
    const saved = { copy: work.copy, at: Date.now(), zip: work.zip };
    try {
      await keepWork(saved);
    } catch (error) {
      this.status(`Not saved in this browser: ${error.message}`);
      this.complain(`Your work cannot be saved in this browser: ${error.message}. Download it before you leave.`, [
        ["Download my work", () => this.download()],
        ["Not now", () => {}],
      ]);
      return;
    }
    this.saved = saved;
    this.status(`Saved in this browser ${clock(saved.at)}`, `All your work and progress: ${size(saved.zip)}`);
    if (work.leftOut.number) this.complain(leftOutWords(work.leftOut, "is not saved in this browser"), [["OK", () => {}]]);
  }

  complain(text, actions) {
    if (text !== this.complaint) show({ name: "keeping", text, actions });
    this.complaint = text;
  }

  async download() {
    await saveAll(this.app);
    const work = await fetchWork(this.app);
    give(work.zip, work.name);
    if (work.leftOut.number) tell("download", leftOutWords(work.leftOut, "is not in the download"));
  }

  // What this browser has, for when the server is gone.
  async downloadSaved() {
    const [newest] = await savedWork();
    if (newest) give(newest.zip, `backend-course-${new Date(newest.at).toISOString().slice(0, 10)}.zip`);
  }

  // Offer the browser's work where this working copy has none, as in a new Binder session.
  async offer() {
    const work = await ask(this.app, "work");
    const saved = (await savedWork().catch(() => [])).find((each) => each.copy !== work.copy);
    if (work.files === 0 && saved) this.offerThis(saved);
    else if (work.files > 0) await this.keep();
  }

  offerThis(saved) {
    show({
      name: "restore",
      text: `Your work from ${when(saved.at)} is in this browser (${size(saved.zip)}). Do you want to go on with it?`,
      actions: [
        ["Restore my work", () => this.restore(saved.zip)],
        [
          "Not now",
          () => tell("restore", "It stays in this browser. To get it later, choose Course > Restore Work Saved in This Browser."),
        ],
      ],
    });
  }

  async offerSaved() {
    const copy = this.saved?.copy ?? (await ask(this.app, "work")).copy;
    const all = await savedWork();
    const saved = all.find((each) => each.copy !== copy) ?? all[0];
    if (saved) this.offerThis(saved);
    else tell("restore", "No work is saved in this browser yet. If you have downloaded it, choose Course > Restore Work From a File.");
  }

  async restore(zip) {
    await saveAll(this.app);
    const headers = { "Content-Type": "application/zip" };
    const restored = await ask(this.app, "work", { method: "POST", body: zip, headers });
    for (const context of openDocuments(this.app)) await context.revert();
    document.dispatchEvent(new CustomEvent("course:changed"));
    const count = restored.files === 1 ? "1 file" : `${restored.files} files`;
    const done = restored.files ? `Your work is back: ${count} restored.` : "All of this work was here already.";
    tell("restore", [done, ...restored.messages].join("\n"));
    await this.keep();
  }
}

// --- when, and by what command ---------------------------------------------------------------------------------------

// After every save of a file; and a notebook is saved after every run, as its progress changes then.
function keepAfterChanges(app, keeper, NotebookActions) {
  const soon = afterPause(() => keeper.keep());
  app.serviceManager.contents.fileChanged.connect(() => soon());
  const saveSoon = afterPause(() => saveAll(app));
  NotebookActions.executed.connect(() => saveSoon());
}

function addCommands(app, keeper, palette, mainMenu) {
  const commands = [
    [DOWNLOAD, "Download My Work", "All your notebooks, files and progress as one zip file", () => keeper.download()],
    [RESTORE, "Restore Work From a File…", "Bring back what you have downloaded", () => chooseFile((zip) => keeper.restore(zip))],
    [RESTORE_SAVED, "Restore Work Saved in This Browser…", "Bring back your last session", () => keeper.offerSaved()],
  ];
  for (const [id, label, caption, act] of commands) {
    app.commands.addCommand(id, { label, caption, execute: () => inWords(act) });
    palette?.addItem({ command: id, category: "Course" });
  }
  courseMenu(app, mainMenu).then((menu) => {
    if (!menu) return;
    menu.addItem({ type: "separator", rank: 80 });
    commands.forEach(([command], index) => menu.addItem({ command, rank: 81 + index }));
  });
}

async function inWords(act) {
  try {
    await act();
  } catch (error) {
    tell("keeping", error.message, true);
  }
}

function afterPause(act) {
  let timer = null;
  let last = Promise.resolve();
  return () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      last = last.then(act).catch(notKept); // one after another
    }, PAUSE);
  };
}

// By itself, and tried again after the next change; a server that does not answer is told of by session-end.js.
function notKept(error) {
  console.warn(`The work was not kept: ${error.message}`);
}

// --- JupyterLab, the server, the browser -----------------------------------------------------------------------------

function openDocuments(app) {
  const contexts = [...app.shell.widgets("main")].map((widget) => widget.context);
  return [...new Set(contexts.filter((context) => context?.revert))];
}

function saveAll(app) {
  return saveChanged(openDocuments(app));
}

async function fetchWork(app) {
  const answer = await request(app, "work.zip");
  const { copy, files, left_out: leftOut } = JSON.parse(answer.headers.get("Course-Work"));
  const name = /filename="(.+)"/.exec(answer.headers.get("Content-Disposition"))[1];
  return { copy, files, leftOut, name, zip: await answer.arrayBuffer() };
}

function give(zip, name) {
  const href = URL.createObjectURL(new Blob([zip], { type: "application/zip" }));
  element("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}

function chooseFile(use) {
  const input = element("input", { type: "file", accept: ".zip,application/zip" });
  input.addEventListener("change", () => inWords(async () => use(await input.files[0].arrayBuffer())));
  input.click();
}

// Gives the function that sets the text at the bottom of the window.
function statusItem(statusBar, Widget) {
  const node = element("span", { class: "jp-StatusBar-TextItem" });
  const item = new Widget({ node });
  statusBar?.registerStatusItem("backend-course:kept", { item, align: "right", rank: 900 });
  return (text, title = "") => {
    node.textContent = text;
    node.title = title;
  };
}

// --- words -----------------------------------------------------------------------------------------------------------

function clock(at) {
  return new Date(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}

function when(at) {
  const today = new Date(at).toDateString() === new Date().toDateString();
  const day = new Date(at).toLocaleDateString("en-GB", { day: "numeric", month: "long" });
  return today ? clock(at) : `${day}, ${clock(at)},`;
}

function size(zip) {
  return zip.byteLength < 1e6 ? `${Math.ceil(zip.byteLength / 1e3)} kB` : `${(zip.byteLength / 1e6).toFixed(1)} MB`;
}

function leftOutWords({ number, names }, what) {
  const more = number > names.length ? `, and ${number - names.length} more` : "";
  return `${names.join(", ")}${more} ${number === 1 ? what : what.replace("is", "are")}: too large (more than 20 MB, or 100 MB together), or a link. Keep a copy yourself.`;
}
