// The style sheet of all that the course shows in JupyterLab, outside notebooks.

export async function load(shared, folder) {
  const sheet = document.createElement("link");
  sheet.rel = "stylesheet";
  sheet.href = new URL("course.css", folder).href;
  document.head.append(sheet);
  return { __esModule: true };
}
