// What the course's plugins use of JupyterLab: its shared modules, and requests to the course's own part of the server.

let scope;

export function shareFrom(given) {
  scope = given;
}

// A module that JupyterLab itself has loaded, such as "@jupyterlab/notebook".
export async function shared(name) {
  const versions = Object.values(scope[name] ?? {});
  if (versions.length === 0) throw new Error(`JupyterLab does not share ${name}`);
  return (await (versions.find((version) => version.loaded) ?? versions[0]).get())();
}

// A request to `<base>/course/<path>`. The answer's JSON; an Error with the server's own words where it refuses.
export async function ask(app, path, init = {}) {
  const answer = await request(app, path, init);
  return answer.json();
}

// The same for an answer that is not JSON.
export async function request(app, path, init = {}) {
  const { ServerConnection } = await shared("@jupyterlab/services");
  const settings = app.serviceManager.serverSettings;
  const answer = await ServerConnection.makeRequest(`${settings.baseUrl}course/${path}`, init, settings);
  if (!answer.ok) {
    const words = await answer.text();
    let message;
    try {
      message = JSON.parse(words).message;
    } catch {
      message = "";
    }
    throw new Error(message || `The course's server answered ${answer.status}.`);
  }
  return answer;
}
