import { useSyncExternalStore } from "react";

const NAME = "modelforge-key";
const listeners = new Set<() => void>();
let asked = false;

/** The API key of this tab, until it is closed. */
export function key(): string | null {
  return sessionStorage.getItem(NAME);
}

export function keepKey(given: string): void {
  sessionStorage.setItem(NAME, given);
  asked = false;
  tell();
}

/** The server wants a key, or another one than it got. */
export function askForKey(): void {
  asked = true;
  tell();
}

export function useKeyIsAsked(): boolean {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => asked,
  );
}

function tell(): void {
  for (const listener of listeners) listener();
}
