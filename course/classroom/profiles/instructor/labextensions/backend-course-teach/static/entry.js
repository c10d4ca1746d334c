// Opens formgrader where JupyterLab would show an empty Launcher. (A module-federation container without a build step,
// as the students' extension is.)

(() => {
  const plugin = {
    id: "backend-course-teach:start",
    description: "Formgrader, open at the start.",
    autoStart: true,
    activate(app) {
      app.restored.then(() => {  // not awaited here: JupyterLab is restored once all plugins are active
        const open = [...app.shell.widgets("main")].filter((widget) => widget.title.label !== "Launcher");
        if (open.length === 0) app.commands.execute("nbgrader:open-formgrader");
      });
    },
  };

  window._JUPYTERLAB ??= {};
  window._JUPYTERLAB["backend-course-teach"] = {
    init() {},
    get: () => Promise.resolve(() => ({ __esModule: true, default: plugin })),
  };
})();
