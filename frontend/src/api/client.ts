import createClient, { type Middleware } from "openapi-fetch";
import { text } from "../text";
import { askForKey, key } from "./key";
import { root } from "./root";
import type { ErrorReply, FieldProblem, paths } from "./schema";

/** What the server refused, in its own words: what is wrong, where, and what to do. */
export class Refusal extends Error {
  constructor(
    readonly title: string,
    readonly detail: string,
    readonly status: number,
    /** What is wrong by the field of the request, as far as the server knows it. */
    readonly problems: readonly FieldProblem[] = [],
  ) {
    super(detail);
  }
}

/** No answer came. */
export class Unreachable extends Refusal {
  constructor() {
    super(text.shell.unreachable.title, text.shell.unreachable.detail, 0);
  }
}

export function authorization(): Record<string, string> {
  const known = key();
  return known ? { Authorization: `Bearer ${known}` } : {};
}

/** The error that an answer holds. A proxy's own pages are no JSON. */
export function refusalOf(status: number, body: string): Refusal {
  if (status === 401) askForKey();
  try {
    const { error, detail, problems } = JSON.parse(body) as Partial<ErrorReply>;
    if (typeof error === "string" && typeof detail === "string")
      return new Refusal(error, detail, status, problems);
  } catch {
    // No JSON.
  }
  return new Refusal(text.shell.strange.title, text.shell.strange.detail(status), status);
}

const words: Middleware = {
  onRequest({ request }) {
    for (const [name, value] of Object.entries(authorization())) request.headers.set(name, value);
  },
  async onResponse({ response }) {
    if (!response.ok) throw refusalOf(response.status, await response.text());
  },
  onError({ error }) {
    return error instanceof DOMException && error.name === "AbortError" ? error : new Unreachable();
  },
};

export const api = createClient<paths>({ baseUrl: root });
api.use(words);

/** The body of an answer; refusals were thrown before. */
export async function body<T>(answer: Promise<{ data?: T }>): Promise<T> {
  return (await answer).data as T;
}
