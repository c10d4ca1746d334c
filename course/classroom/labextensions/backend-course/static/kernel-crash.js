// After Python has died under a notebook: say that nothing but its memory is gone, and offer to run the cells again.

import { close, show } from "./notices.js";
import { saveChanged } from "./saving.js";

const CRASHED = new Set(["autorestarting", "dead"]);

export function watchKernels(app, tracker, NotebookActions) {
  const running = new WeakMap(); // the cell of each notebook that runs, or ran last
  NotebookActions.executionScheduled.connect((_, { notebook, cell }) => {
    const last = running.get(notebook);
    if (!last || last.done) running.set(notebook, { cell, done: false });
  });
  NotebookActions.executed.connect((_, { notebook, cell, success }) => {
    const last = running.get(notebook);
    if (success && last?.cell === cell) last.done = true;
  });
  const watch = (panel) => {
    panel.sessionContext.statusChanged.connect((_, status) => {
      if (CRASHED.has(status)) tellCrash(app, panel, running.get(panel.content)?.cell);
    });
    panel.disposed.connect(() => close(noticeOf(panel)));
  };
  tracker.forEach(watch);
  tracker.widgetAdded.connect((_, panel) => watch(panel));
}

function tellCrash(app, panel, cell) {
  saveChanged([panel.context]);
  show({
    name: noticeOf(panel),
    urgent: true,
    text: "Python stopped and starts again. Your notebook is safe. Only what Python remembered is gone, such as names and "
      + "imports: run the cells above again (Run > Run All Above Selected Cell).",
    actions: [
      ["Run the cells above again", () => runAbove(app, panel, cell)],
      ["Not now", () => {}],
    ],
  });
}

// Above the cell that was running: that one would only crash again.
async function runAbove(app, panel, cell) {
  app.shell.activateById(panel.id);
  const index = panel.content.widgets.indexOf(cell);
  if (index >= 0) {
    panel.content.deselectAll();
    panel.content.activeCellIndex = index;
  }
  await panel.sessionContext.session?.kernel?.info;
  await app.commands.execute("notebook:run-all-above");
}

const noticeOf = (panel) => `crash-${panel.id}`;
