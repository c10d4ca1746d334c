// Save documents one after another: of two saves at once, the second finds a file that has changed, and JupyterLab asks
// the student which one to keep (https://github.com/jupyterlab/jupyterlab/issues/17365).

import { shared } from "./jupyterlab.js";

const ending = new WeakMap(); // the end of the last save of each document

// From now on every save waits for the one before of the same document, whoever asks: the student, JupyterLab or the course.
export async function saveInTurn() {
  const { Context } = await shared("@jupyterlab/docregistry");
  const save = Context.prototype.save;
  Context.prototype.save = function () {
    const mine = (ending.get(this) ?? Promise.resolve()).then(() => save.call(this));
    ending.set(this, mine.catch(() => {}));
    return mine;
  };
}

// Save those of these documents that have changes. Fails as the first save that fails.
export async function saveChanged(contexts) {
  for (const context of contexts) {
    if (context.model.dirty && !context.model.readOnly) await context.save();
  }
}
