const failed = new WeakSet<object>();

// Vite's word for a part of the page that could not be loaded, and for no other error.
window.addEventListener("vite:preloadError", (event) => failed.add(event.payload));

/** Whether a part of the page did not come: the server is down, or was replaced by a newer one. */
export function isFailedImport(error: unknown): boolean {
  return error instanceof Error && failed.has(error);
}
