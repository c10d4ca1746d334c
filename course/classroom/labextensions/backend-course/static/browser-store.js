// Zips of the student's work in this browser: the newest of each working copy, and of the last three of them.
// (One working copy is one Binder session. The address's path differs from session to session; this does not look at it.)

const DATABASE = "backend-course";
const STORE = "work";
const KEPT = 3;

// What is kept: { copy, at (milliseconds), zip (ArrayBuffer) }, the newest first.
export async function savedWork() {
  const all = await inStore("readonly", (store) => store.getAll());
  return all.sort((one, other) => other.at - one.at);
}

// Keep this work in place of what its copy had. Throws an Error in words where the browser refuses.
export async function keepWork(saved) {
  try {
    await inStore("readwrite", (store) => {
      const all = store.getAll();
      all.onsuccess = () => {
        const others = all.result.filter((each) => each.copy !== saved.copy);
        others.sort((one, other) => other.at - one.at);
        for (const old of others.slice(KEPT - 1)) store.delete(old.copy);
        store.put(saved);
      };
      return all;
    });
  } catch (error) {
    throw new Error(error?.name === "QuotaExceededError" ? "its storage is full" : "it does not allow it");
  }
}

async function inStore(mode, act) {
  const database = await finished(opening());
  try {
    const transaction = database.transaction(STORE, mode);
    const request = act(transaction.objectStore(STORE));
    await new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
    return request.result;
  } finally {
    database.close();
  }
}

function opening() {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "copy" });
  return request;
}

function finished(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
