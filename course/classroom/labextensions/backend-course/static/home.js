// The course home: the first thing a student sees. The map of the phases, what is done and next, one click to the lab.

import { ask, shared } from "./jupyterlab.js";
import { element } from "./dom.js";

const HOME = "course:home";
const MARKS = { done: "✓", begun: "◐", open: "○", planned: "·" };
const WORDS = { done: "done", begun: "begun", open: "not begun", planned: "not written yet" };

export async function homePlugin() {
  const { ICommandPalette, MainAreaWidget } = await shared("@jupyterlab/apputils");
  const { ILayoutRestorer } = await shared("@jupyterlab/application");
  const { Widget } = await shared("@lumino/widgets");

  return {
    id: "backend-course:home",
    description: "The map of the course, open at the start.",
    autoStart: true,
    optional: [ICommandPalette, ILayoutRestorer],
    activate(app, palette, restorer) {
      let panel = null;
      app.commands.addCommand(HOME, {
        label: "Course Home",
        caption: "The map of the course: what is done, and what is next",
        execute: () => {
          if (!panel || panel.isDisposed) {
            const content = new Widget();
            panel = new MainAreaWidget({ content });
            panel.id = "course-home";
            panel.title.label = "Course home";
            panel.title.closable = true;
            showHome(app, content.node);
            app.shell.add(panel, "main", { mode: "tab-before", activate: false });
          }
          app.shell.activateById(panel.id);
        },
      });
      palette?.addItem({ command: HOME, category: "Course" });
      app.shell.add(homeButton(app, Widget), "top", { rank: 500 });
      openAtTheStart(app, restorer);
    },
  };
}

function homeButton(app, Widget) {
  const node = element(
    "button",
    { type: "button", class: "course-home-button", title: "Back to the map of the course" },
    "Course home",
  );
  node.addEventListener("click", () => app.commands.execute(HOME));
  const widget = new Widget({ node });
  widget.id = "course-home-button";
  return widget;
}

// Unless the address names a notebook, which its reader wants to see.
async function openAtTheStart(app, restorer) {
  await Promise.all([app.started, restorer?.restored]);
  await app.restored;
  const { PageConfig } = await shared("@jupyterlab/coreutils");
  if (PageConfig.getOption("treePath")) return;
  for (const widget of [...app.shell.widgets("main")]) {
    if (widget.title.label === "Launcher") widget.dispose();
  }
  await app.commands.execute(HOME);
  app.shell.collapseLeft();
}

function showHome(app, node) {
  node.classList.add("course-home");
  node.tabIndex = -1;
  const refresh = async () => {
    try {
      draw(app, node, await ask(app, "home"));
    } catch (error) {
      node.replaceChildren(
        element("p", { role: "alert" }, `The map cannot be shown: ${error.message}`),
        element("button", { type: "button", class: "course-button", onclick: refresh }, "Try again"),
      );
    }
  };
  // Progress is made elsewhere: look again when the student comes back to this tab, and when a part of ours says so.
  new IntersectionObserver((seen) => seen.some((each) => each.isIntersecting) && refresh()).observe(node);
  document.addEventListener("course:changed", () => node.isConnected && refresh());
}

function draw(app, node, home) {
  const focused = node.contains(document.activeElement) ? document.activeElement.id : null;
  const opened = new Map([...node.querySelectorAll("details")].map((each) => [each.id, each.open]));
  const scrolled = node.scrollTop;
  node.replaceChildren(
    element(
      "main",
      { class: "course-page", "aria-label": "Course home" },
      element("h1", {}, "The Backend Course"),
      nextStep(app, home),
      summary(home),
      element("h2", { id: "course-map" }, "Your way through the course"),
      map(app, home, opened),
    ),
  );
  node.scrollTop = scrolled;
  if (focused) document.getElementById(focused)?.focus();
  connect(node.querySelector(".course-map"), home);
}

// --- the next step ---------------------------------------------------------------------------------------------------

function nextStep(app, { resume, following }) {
  const goesOn = resume && resume.lab.state !== "done";
  if (!goesOn && !following) {
    return element("p", { class: "course-next" }, "You have mastered every lab there is so far. Well done!");
  }
  const lab = goesOn ? resume.lab : following;
  const cell = goesOn ? resume.exercise : null; // the id of its first cell to write in
  const first = !resume;
  return element(
    "section",
    { class: "course-next", "aria-labelledby": "course-next-title" },
    element(
      "p",
      { class: "course-kicker" },
      goesOn ? "Where you left off" : first ? "Start here" : "Next",
    ),
    element("h2", { id: "course-next-title" }, lab.title),
    element("p", {}, lab.promise),
    element(
      "div",
      { class: "course-row" },
      element(
        "button",
        {
          type: "button",
          id: "course-next-button",
          class: "course-button primary",
          onclick: () => openLab(app, lab.path, cell),
        },
        goesOn ? "Go on" : first ? "Start the first lab" : "Start this lab",
      ),
      element("span", { class: "course-quiet" }, labFacts(lab)),
    ),
    goesOn
      ? element(
        "p",
        { class: "course-quiet" },
        lastTry(resume),
      )
      : null,
    goesOn && following && following.name !== lab.name
      ? element(
        "p",
        { class: "course-quiet" },
        "Recommended next on the map: ",
        labLink(app, following, "course-following"),
      )
      : null,
  );
}

function lastTry({ tried, passed, exercise }) {
  const said = `Your last try: ${tried}, ${passed ? "passed" : "not passed yet"}.`;
  return exercise === tried ? said : `${said} The next exercise: ${exercise}.`;
}

function summary(home) {
  const labs = home.phases.flatMap((phase) => phase.labs).filter((lab) => lab.path);
  const passed = sum(labs, "passed");
  const exercises = sum(labs, "exercises");
  const mastered = labs.filter((lab) => lab.state === "done").length;
  return element(
    "p",
    { class: "course-summary" },
    bar(exercises ? passed / exercises : 0, `${passed} of ${exercises} exercises passed`),
    `${passed} of ${exercises} exercises passed · ${mastered} of ${labs.length} labs mastered. `,
    "Nothing is locked: open whatever you like. A phase counts as mastered at 80 % of its points.",
  );
}

const sum = (list, key) => list.reduce((total, each) => total + each[key], 0);

// --- the map ---------------------------------------------------------------------------------------------------------

function map(app, home, opened) {
  const steps = new Map();
  for (const phase of home.phases) steps.set(phase.step, [...(steps.get(phase.step) ?? []), phase]);
  const next = home.following?.name.split("/")[0];
  const titles = new Map(home.phases.map((phase) => [phase.number, phase.title]));
  return element(
    "ol",
    { class: "course-map", "aria-labelledby": "course-map" },
    [...steps.entries()]
      .sort(([one], [other]) => one - other)
      .flatMap(([step, phases]) =>
        phases.map((phase, place) => {
          const isNext = phase.labs.some((lab) => lab.name.split("/")[0] === next);
          return card(app, phase, { isNext, following: home.following, titles, opened, step, place, width: phases.length });
        })
      ),
  );
}

function card(app, phase, { isNext, following, titles, opened, step, place, width }) {
  const id = `course-phase-${phase.number}`;
  const written = phase.labs.filter((lab) => lab.path).length;
  const state = isNext ? "next" : WORDS[phase.state];
  const needs = phase.needs.map((number) => `${number} ${titles.get(number)}`).join(", ");
  const open = opened.get(id) ?? isNext;
  return element(
    "li",
    {
      class: `course-phase ${phase.state}${isNext ? " next" : ""}`,
      "data-number": phase.number,
      style: `grid-row:${step + 1};grid-column:${columns(place, width)}`,
    },
    element(
      "details",
      { id, open },
      element(
        "summary",
        { id: `${id}-summary` },
        element("span", { class: "course-mark", "aria-hidden": "true" }, isNext ? "➜" : MARKS[phase.state]),
        element(
          "span",
          { class: "course-phase-head" },
          element("span", { class: "course-phase-title" }, `${phase.number}. ${phase.title}`),
          element(
            "span",
            { class: "course-quiet" },
            `${state} · ${hours(phase.minutes)} · ${phase.points} points`,
          ),
        ),
      ),
      needs ? element("p", { class: "course-quiet" }, `Needs: ${needs}`) : null,
      written
        ? null
        : element("p", { class: "course-quiet" }, "Its labs are planned, and not written yet."),
      element("ul", {}, phase.labs.map((lab) => labLine(app, lab, following))),
    ),
    written ? bar(phase.share, `${Math.round(phase.share * 100)} % of the points of phase ${phase.number}`) : null,
  );
}

// Twelve columns: one card stands in the middle, two and three share the row.
function columns(place, width) {
  const span = width === 1 ? 6 : 12 / width;
  return `${(width === 1 ? 4 : 1) + place * span} / span ${span}`;
}

function labLine(app, lab, following) {
  const isNext = lab.name === following?.name;
  const state = isNext ? "next" : WORDS[lab.state];
  return element(
    "li",
    { class: `course-lab ${lab.state}` },
    element("span", { class: "course-mark", "aria-hidden": "true" }, isNext ? "➜" : MARKS[lab.state]),
    element(
      "span",
      {},
      lab.path ? labLink(app, lab, `course-lab-${lab.name}`) : lab.title,
      element(
        "span",
        { class: "course-quiet" },
        lab.path ? ` · ${state} · ${labFacts(lab)}` : ` · ${state}`,
      ),
    ),
  );
}

function labLink(app, lab, id) {
  return element(
    "a",
    {
      id,
      href: "#",
      onclick: (event) => {
        event.preventDefault();
        openLab(app, lab.path, null);
      },
    },
    lab.title,
  );
}

function labFacts(lab) {
  const done = lab.passed ? `${lab.passed} of ${lab.exercises} exercises passed` : `${lab.exercises} exercises`;
  return `${lab.minutes} minutes · ${lab.points} points · ${done}`;
}

function hours(minutes) {
  return minutes < 100 ? `${minutes} minutes` : `${Math.round(minutes / 60)} hours`;
}

function bar(share, label) {
  return element("progress", { value: share, max: 1, "aria-label": label });
}

// Lines from each phase to those it needs, behind the cards; their meaning stands in words in the cards.
function connect(list, home) {
  if (!list) return;
  const lines = element("svg", { "aria-hidden": "true", class: "course-lines" });
  list.append(lines);
  const drawLines = () => {
    const box = list.getBoundingClientRect();
    const cards = new Map([...list.children].map((each) => [Number(each.dataset.number), each]));
    lines.replaceChildren(
      ...home.phases.flatMap((phase) => phase.needs.map((need) => line(cards.get(need), cards.get(phase.number), box))),
    );
  };
  new ResizeObserver(drawLines).observe(list);
}

function line(from, to, box) {
  const [one, other] = [from.getBoundingClientRect(), to.getBoundingClientRect()];
  const [x1, y1] = [one.left + one.width / 2 - box.left, one.bottom - box.top];
  const [x2, y2] = [other.left + other.width / 2 - box.left, other.top - box.top];
  const middle = (y1 + y2) / 2;
  return element("path", { d: `M${x1} ${y1}C${x1} ${middle} ${x2} ${middle} ${x2} ${y2}` });
}

// --- opening a lab ---------------------------------------------------------------------------------------------------

async function openLab(app, path, cell) {
  const widget = await app.commands.execute("docmanager:open", { path, factory: "Notebook" });
  if (!widget || !cell) return;
  await widget.context.ready;
  await widget.revealed;
  const notebook = widget.content;
  const index = notebook.widgets.findIndex((each) => each.model.id === cell);
  if (index < 0) return;
  notebook.activeCellIndex = index;
  await notebook.scrollToItem(index, "center");
}
