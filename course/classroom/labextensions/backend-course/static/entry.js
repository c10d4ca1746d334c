// What JupyterLab loads first: a module-federation container, written by hand so that the course needs no build step.
// (The protocol: `init` is given the modules that JupyterLab shares, `get` returns a factory for a module of ours.)

(() => {
  const folder = new URL(".", document.currentScript.src);
  const ours = { "./extension": "plugins.js", "./style": "style.js" };
  let shared;

  window._JUPYTERLAB ??= {};
  window._JUPYTERLAB["backend-course"] = {
    init(scope) {
      shared = scope;
    },
    async get(name) {
      const { load } = await import(new URL(ours[name], folder).href);
      const module = await load(shared, folder);
      return () => module;
    },
  };
})();
