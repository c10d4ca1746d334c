// "Grade my work": runs all tests on the lab's phase, and shows the points and the feedback beside the lab. In a
// classroom, the way to nbgrader's list of assignments, where work is handed in.

import { showBeside } from "./beside.js";
import { courseMenu } from "./menu.js";
import { element } from "./dom.js";
import { ask, shared } from "./jupyterlab.js";
import { saveChanged } from "./saving.js";

const GRADE = "course:grade";
const HAND_IN = "course:hand-in";
const LIST = "nbgrader:open-assignment-list";

export async function classroomPlugin() {
  const { ICommandPalette, MainAreaWidget, ToolbarButton } = await shared("@jupyterlab/apputils");
  const { IMainMenu } = await shared("@jupyterlab/mainmenu");
  const { INotebookTracker } = await shared("@jupyterlab/notebook");
  const { Widget } = await shared("@lumino/widgets");

  return {
    id: "backend-course:classroom",
    description: "Grade one's own work; hand it in.",
    autoStart: true,
    requires: [INotebookTracker],
    optional: [ICommandPalette, IMainMenu],
    async activate(app, tracker, palette, mainMenu) {
      const view = gradesView(app, MainAreaWidget, Widget);
      app.commands.addCommand(GRADE, {
        label: "Grade My Work",
        caption: "Run all tests of this phase, the hidden ones too, on what you wrote",
        isEnabled: () => labOf(tracker.currentWidget) !== null,
        execute: () => gradeBeside(app, tracker.currentWidget, view),
      });
      app.commands.addCommand(HAND_IN, {
        label: "Hand In and Get Feedback",
        caption: "The list of assignments: submit your labs, fetch your teacher's feedback",
        isVisible: () => app.commands.hasCommand(LIST),
        execute: () => app.commands.execute(LIST),
      });
      app.docRegistry.addWidgetExtension("Notebook", { createNew: (panel) => toolbarButton(app, panel, ToolbarButton) });
      for (const command of [GRADE, HAND_IN]) palette?.addItem({ command, category: "Course" });
      const menu = await courseMenu(app, mainMenu);
      menu?.addItem({ command: GRADE, rank: 20 });
      menu?.addItem({ command: HAND_IN, rank: 21 });
    },
  };
}

// The phase and lab of a notebook panel; null for a notebook that is no lab of the course.
function labOf(panel) {
  const found = /^([^/]+)\/([^/]+)\.ipynb$/.exec(panel?.context.path ?? "");
  return found && { phase: found[1], lab: found[2] };
}

function toolbarButton(app, panel, ToolbarButton) {
  if (!labOf(panel)) return undefined;
  const button = new ToolbarButton({
    label: "Grade my work",
    tooltip: "Run all tests, the hidden ones too, on what you wrote",
    onClick: () => {
      app.shell.activateById(panel.id);
      app.commands.execute(GRADE);
    },
  });
  button.addClass("course-grade-button");
  // not at the end: in a narrow window that is behind the toolbar's "..."
  panel.toolbar.insertAfter("run", "course-grade", button) || panel.toolbar.addItem("course-grade", button);
  return button;
}

// --- grading ---------------------------------------------------------------------------------------------------------

// One panel for all gradings: `view.beside(panel)` opens it, and gives the node to draw in.
function gradesView(app, MainAreaWidget, Widget) {
  let shown = null;
  return {
    beside(panel) {
      if (!shown || shown.isDisposed) {
        shown = new MainAreaWidget({ content: new Widget() });
        shown.id = "course-grades";
        shown.title.label = "My points";
        shown.title.closable = true;
        shown.content.addClass("course-home");
        shown.content.addClass("course-grades");
      }
      showBeside(app, panel, shown);
      app.shell.activateById(shown.id);
      return shown.content.node;
    },
    onClose(action) {
      shown.disposed.connect(action);
      return () => shown.disposed.disconnect(action);
    },
  };
}

let running = false;

async function gradeBeside(app, panel, view) {
  const node = view.beside(panel); // in front, though it may show that another phase is being graded
  if (running) return;
  running = true;
  const asked = labOf(panel);
  const stop = new AbortController();
  const forget = view.onClose(() => stop.abort());
  node.replaceChildren(atWork(asked.phase, stop));
  try {
    await saveAll(app, asked.phase);
    const body = JSON.stringify({ phase: asked.phase });
    const grades = await ask(app, "grade", { method: "POST", body, signal: stop.signal });
    draw(app, node, grades, asked.lab, () => gradeBeside(app, panel, view));
    document.dispatchEvent(new CustomEvent("course:changed"));
  } catch (error) {
    const words = stop.signal.aborted ? "You stopped it. Nothing is lost." : error.message;
    node.replaceChildren(notGraded(words, () => gradeBeside(app, panel, view)));
  } finally {
    running = false;
    forget();
  }
}

// What is graded is what lies on disk.
function saveAll(app, phase) {
  const open = [...app.shell.widgets("main")].map((each) => each.context);
  return saveChanged(open.filter((context) => context?.path.startsWith(`${phase}/`)));
}

function atWork(phase, stop) {
  return page(
    element("h1", {}, "Grading your work"),
    element(
      "p",
      { role: "status" },
      `Your notebooks of ${phase} are saved and run from top to bottom, then all tests are run on them, the hidden ones `
        + "too. It usually takes less than a minute. You can go on working meanwhile.",
    ),
    element("progress", { "aria-label": "Grading" }),
    button("Stop", () => stop.abort()),
  );
}

function notGraded(words, again) {
  return page(
    element("h1", {}, "Not graded"),
    element("p", { role: "alert" }, words),
    button("Try again", again),
  );
}

// --- points and feedback ---------------------------------------------------------------------------------------------

function draw(app, node, grades, first, again) {
  const elsewhere = document.activeElement !== document.body && !node.contains(document.activeElement);
  const labs = [...grades.labs].sort((one, other) => (other.lab === first) - (one.lab === first));
  node.replaceChildren(
    page(
      element("h1", { tabindex: "-1" }, `${grades.phase}: ${score(labs.flatMap((lab) => lab.exercises))}`),
      grades.note ? element("p", { class: "course-quiet" }, grades.note) : null,
      grades.problems.length ? problems(grades.problems) : null,
      labs.map((lab) => labSection(app, grades.phase, lab, lab.lab === first)),
      element("div", { class: "course-row" }, button("Grade again", again)),
    ),
  );
  if (!elsewhere) node.querySelector("h1").focus(); // who went on working is typing
}

function problems(found) {
  return element(
    "section",
    { class: "course-next", "aria-label": "Problems" },
    element("h2", {}, "Look at this"),
    element("ul", {}, found.map((each) => element("li", {}, each))),
  );
}

function labSection(app, phase, lab, open) {
  const id = `course-points-${lab.lab}`;
  const graded = lab.exercises.length > 0;
  return element(
    "section",
    { "aria-labelledby": id },
    element("h2", { id }, graded ? `${lab.lab}: ${score(lab.exercises)}` : `${lab.lab} could not be graded`),
    graded ? exerciseTable(app, `${phase}/${lab.lab}.ipynb`, lab.exercises) : null,
    lab.has_page ? feedback(app, phase, lab.lab, open || !graded) : null,
  );
}

function exerciseTable(app, path, exercises) {
  const headings = ["Exercise", "Points", "What to mend first"];
  return element(
    "table",
    { class: "course-points" },
    element("thead", {}, element("tr", {}, headings.map((each) => element("th", { scope: "col" }, each)))),
    element("tbody", {}, exercises.map((exercise) => exerciseRow(app, path, exercise))),
  );
}

function exerciseRow(app, path, { title, cell, score, points, message }) {
  const done = score >= points;
  const open = (event) => {
    event.preventDefault();
    openExercise(app, path, cell);
  };
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, done ? prose(title) : element("a", { href: "#", onclick: open }, prose(title))),
    element("td", {}, `${number(score)} / ${number(points)}`),
    element("td", {}, done ? "✓ done" : prose(message)),
  );
}

// The page holds what the student's code put out: the server sends it as a sandbox, and so does this frame.
function feedback(app, phase, lab, open) {
  const address = `${app.serviceManager.serverSettings.baseUrl}course/feedback/${[phase, lab].map(encodeURIComponent).join("/")}`;
  const show = () => {
    if (!details.open || details.querySelector("iframe")) return;
    details.append(
      element("iframe", {
        src: `${address}?${Date.now()}`, // not the page of the grading before
        sandbox: "allow-popups allow-popups-to-escape-sandbox",
        title: `Feedback on ${lab}`,
      }),
    );
  };
  const details = element("details", { class: "course-feedback", open, ontoggle: show }, element("summary", {}, "Your feedback page"));
  show();
  return details;
}

async function openExercise(app, path, name) {
  const panel = await app.commands.execute("docmanager:open", { path, factory: "Notebook" });
  if (!panel) return;
  await panel.context.ready;
  await panel.revealed;
  const notebook = panel.content;
  const index = notebook.widgets.findIndex((each) => each.model.getMetadata("nbgrader")?.grade_id === name);
  if (index < 0) return;
  notebook.activeCellIndex = index;
  await notebook.scrollToItem(index, "center");
}

// --- small parts -----------------------------------------------------------------------------------------------------

function page(...children) {
  return element("main", { class: "course-page", "aria-label": "My points" }, ...children);
}

function button(label, onclick) {
  return element("button", { type: "button", class: "course-button", onclick }, label);
}

function score(exercises) {
  const total = (key) => number(exercises.reduce((sum, each) => sum + each[key], 0));
  return `${total("score")} of ${total("points")} points`;
}

function number(value) {
  return String(Math.round(value * 100) / 100);
}

// Text in which what stands between backticks is code.
function prose(text) {
  return text.split("`").map((part, place) => (place % 2 ? element("code", {}, part) : part));
}
