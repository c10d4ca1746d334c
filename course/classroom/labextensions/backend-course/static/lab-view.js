// The lab's surroundings: its outline on the left, and on the right the server that its code runs.

import { showBeside } from "./beside.js";
import { shared } from "./jupyterlab.js";
import { element } from "./dom.js";

const TIP = "backend-course:shown-how-to-run";
const TARGET = "course.server"; // course/lab/serving/beside.py opens a comm of this name

export async function labViewPlugin() {
  const { INotebookTracker } = await shared("@jupyterlab/notebook");
  const { MainAreaWidget, Notification } = await shared("@jupyterlab/apputils");
  const { Widget } = await shared("@lumino/widgets");

  return {
    id: "backend-course:lab-view",
    description: "The outline beside a lab, and the server it runs.",
    autoStart: true,
    requires: [INotebookTracker],
    activate(app, tracker) {
      tracker.widgetAdded.connect((_, panel) => {
        showOutline(app, panel);
        showHowToRun(panel, Notification);
        showServers(app, panel, { MainAreaWidget, Widget });
      });
    },
  };
}

async function showOutline(app, panel) {
  await panel.revealed;
  await app.restored;
  const room = window.innerWidth >= 900; // in a small window, or at 200 % zoom, the lab needs all of it
  if (room && app.commands.hasCommand("toc:show-panel") && app.shell.currentWidget === panel) {
    await app.commands.execute("toc:show-panel");
    app.shell.activateById(panel.id); // the cursor stays in the lab
  }
}

// Once in this browser: who has never seen a notebook cannot guess it.
async function showHowToRun(panel, Notification) {
  if (localStorage.getItem(TIP)) return;
  localStorage.setItem(TIP, "yes");
  await panel.revealed;
  Notification.info(
    "This is a lab: text to read, and grey cells of code to run. Click a cell, then press Shift+Enter to run it.",
    { autoClose: false, actions: [{ label: "Understood", callback: () => {} }] },
  );
}

// --- servers ---------------------------------------------------------------------------------------------------------

function showServers(app, panel, classes) {
  const views = new Map(); // by the server's name
  const show = (about) => {
    const view = views.get(about.name) ?? openView(app, panel, about.name, views, classes);
    view.course.show(about);
    return view;
  };
  const follow = (comm, about) => {
    let view = about && show(about);
    comm.onMsg = ({ content }) => {
      if (view) view.course.log(content.data.log);
      else view = show(content.data);
    };
    comm.onClose = () => view?.course.stopped();
  };
  const listen = async () => {
    const kernel = panel.sessionContext.session?.kernel;
    if (!kernel) return;
    kernel.registerCommTarget(TARGET, (comm, opening) => follow(comm, opening.content.data));
    await kernel.info;
    const { content } = await kernel.requestCommInfo({ target_name: TARGET });
    for (const id of Object.keys(content.comms ?? {})) { // servers that ran before this page was loaded
      if (kernel.hasComm(id)) continue;
      const comm = kernel.createComm(TARGET, id);
      follow(comm, null);
      comm.send({});
    }
  };
  panel.sessionContext.kernelChanged.connect(listen);
  panel.sessionContext.statusChanged.connect((_, status) => {
    if (/restarting|dead/.test(status)) views.forEach((view) => view.course.stopped());
  });
  panel.disposed.connect(() => [...views.values()].forEach((view) => view.dispose()));
}

function openView(app, panel, name, views, { MainAreaWidget, Widget }) {
  const content = new Widget();
  const view = new MainAreaWidget({ content });
  view.id = `course-server-${panel.id}-${name}`;
  view.title.label = `Server: ${name}`;
  view.title.caption = `The server ${name} of ${panel.title.label}`;
  view.title.closable = true;
  view.course = serverView(content.node, name);
  showBeside(app, panel, view);
  app.shell.activateById(panel.id); // the cursor stays in the lab
  views.set(name, view);
  view.disposed.connect(() => views.delete(name));
  return view;
}

// A page of the server and its log, as two tabs. Gives what can be done with them.
function serverView(node, name) {
  const page = element("iframe", { title: `Page of the server ${name}`, loading: "lazy" });
  const log = element("pre", { class: "course-log", tabindex: "0", "aria-label": `Log of the server ${name}` });
  const state = element("span", { role: "status" });
  const link = element("a", { target: "_blank", rel: "noopener" }, "in a tab of its own");
  const tabs = tabbed([["Page", page], ["Log", log]]);
  node.classList.add("course-server");
  node.append(element("p", { class: "course-server-head" }, state, " · open it ", link), tabs.list, page, log);

  return {
    show(about) {
      tabs.name("Page", about.title);
      link.href = about.page;
      page.src = about.page; // again where the server was served anew
      log.textContent = about.log;
      state.textContent = `${name} is running`;
    },
    log(text) {
      const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
      log.textContent = text;
      if (atEnd) log.scrollTop = log.scrollHeight;
    },
    stopped() {
      state.textContent = `${name} is stopped: run its cell again to start it`;
    },
  };
}

// A tab list by the ARIA pattern: arrow keys move, the chosen tab's panel shows.
function tabbed(panels) {
  const buttons = panels.map(([label]) => element("button", { type: "button", role: "tab" }, label));
  const choose = (chosen) => {
    buttons.forEach((button, index) => {
      button.setAttribute("aria-selected", String(index === chosen));
      button.tabIndex = index === chosen ? 0 : -1;
      panels[index][1].hidden = index !== chosen;
    });
  };
  buttons.forEach((button, index) => {
    button.addEventListener("click", () => choose(index));
    button.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = (index + step + buttons.length) % buttons.length;
      choose(next);
      buttons[next].focus();
    });
  });
  choose(0);
  return {
    list: element("div", { role: "tablist", class: "course-tabs" }, buttons),
    name: (old, label) => (buttons[panels.findIndex(([each]) => each === old)].textContent = label),
  };
}
