// Save documents one after another: of two saves at once, the second finds a file that has changed, and JupyterLab asks
// the student which one to keep.

let last = Promise.resolve();

// Save those of these documents that have changes. Fails as the first save that fails.
export function saveInTurn(contexts) {
  const mine = last.then(async () => {
    for (const context of contexts) {
      if (context.model.dirty && !context.model.readOnly) await context.save();
    }
  });
  last = mine.catch(() => {});
  return mine;
}
