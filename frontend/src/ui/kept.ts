/** What this tab has under a name until it is closed; undefined where that is nothing, or of an older page. */
export function recall(name: string): unknown {
  const kept = sessionStorage.getItem(`modelforge-${name}`);
  if (kept === null) return undefined;
  try {
    return JSON.parse(kept);
  } catch {
    return undefined;
  }
}

/** Keeps it. Browsers give a tab some five million characters: where there is no room, others of its kind go first. */
export function keep(name: string, value: unknown): void {
  const written = JSON.stringify(value);
  const kind = `modelforge-${name.split(":")[0]}:`;
  const others = Object.keys(sessionStorage).filter(
    (each) => each.startsWith(kind) && each !== `modelforge-${name}`,
  );
  for (;;) {
    try {
      sessionStorage.setItem(`modelforge-${name}`, written);
      return;
    } catch (error) {
      const other = others.shift();
      if (other === undefined) throw error;
      sessionStorage.removeItem(other);
    }
  }
}
