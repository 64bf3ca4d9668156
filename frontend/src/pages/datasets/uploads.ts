import { useSyncExternalStore } from "react";
import { api, authorization, body, Refusal, refusalOf, Unreachable } from "../../api/client";
import { finished } from "../../api/operations";
import { root } from "../../api/root";
import type { DatasetUploaded, Operation } from "../../api/schema";

/** Files up to here go in one request; larger ones in pieces, which go on after a broken connection. */
const PLAIN_BYTES = 8_000_000;
const PIECE_BYTES = 8_000_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;

export interface FileUpload {
  id: number;
  name: string;
  size: number;
  sent: number;
  phase: "sending" | "waiting" | "reading" | "done" | "refused" | "cancelled";
  /** What the server does with it once it is there: how far it is, from 0 to 1, and in words. */
  operation?: Operation;
  result?: DatasetUploaded;
  refusal?: Refusal;
}

/** The uploads of this tab. They go on while other pages are shown. */
class Uploads {
  private all: readonly FileUpload[] = [];
  private readonly cancels = new Map<number, AbortController>();
  private readonly watchers = new Set<() => void>();
  private last = 0;

  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  list = (): readonly FileUpload[] => this.all;

  /** Send a file and have it made a dataset; `arrived` is called when it is one. */
  async start(file: File, arrived: (result: DatasetUploaded) => unknown): Promise<void> {
    this.last += 1;
    const id = this.last;
    const cancel = new AbortController();
    this.cancels.set(id, cancel);
    this.all = [...this.all, { id, name: file.name, size: file.size, sent: 0, phase: "sending" }];
    const tell = (change: Partial<FileUpload>) => this.change(id, change);
    try {
      const send = file.size <= PLAIN_BYTES ? sendWhole : sendInPieces;
      const result = await send(file, tell, cancel.signal);
      tell({ phase: "done", result });
      arrived(result);
    } catch (error) {
      if (cancel.signal.aborted) tell({ phase: "cancelled" });
      else if (error instanceof Refusal) tell({ phase: "refused", refusal: error });
      else throw error;
    } finally {
      this.cancels.delete(id);
    }
  }

  cancel(id: number): void {
    this.cancels.get(id)?.abort();
  }

  dismiss(id: number): void {
    this.all = this.all.filter((each) => each.id !== id);
    this.tell();
  }

  private change(id: number, change: Partial<FileUpload>): void {
    this.all = this.all.map((each) => (each.id === id ? { ...each, ...change } : each));
    this.tell();
  }

  private tell(): void {
    for (const watcher of this.watchers) watcher();
  }
}

export const uploads = new Uploads();

export function useUploads(): readonly FileUpload[] {
  return useSyncExternalStore(uploads.watch, uploads.list);
}

type Tell = (change: Partial<FileUpload>) => void;

/** In one request. XMLHttpRequest, because fetch does not tell how much was sent. */
function sendWhole(file: File, tell: Tell, signal: AbortSignal): Promise<DatasetUploaded> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `${root}/api/upload_dataset`);
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => tell({ sent: Math.min(event.loaded, file.size) });
    request.upload.onload = () => tell({ sent: file.size, phase: "reading" });
    request.onload = () => {
      if (request.status === 200) resolve(JSON.parse(request.responseText) as DatasetUploaded);
      else reject(refusalOf(request.status, request.responseText));
    };
    request.onerror = () => reject(new Unreachable());
    request.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", () => request.abort());
    const form = new FormData();
    form.append("file", file);
    request.send(form);
  });
}

/** By tus: begun anew, or where an earlier try of the same file stopped. */
async function sendInPieces(file: File, tell: Tell, signal: AbortSignal): Promise<DatasetUploaded> {
  const modified = String(file.lastModified);
  const { uploads: known } = await body(api.GET("/api/uploads"));
  const before = known.find(
    (each) =>
      each.metadata.filename === file.name &&
      each.length === file.size &&
      each.metadata.modified === modified,
  );
  const upload = before ?? (await begin(file, modified));
  const params = { path: { upload_id: upload.id } };
  const giveUp = () => void api.DELETE("/api/uploads/{upload_id}", { params }).catch(() => {});
  signal.addEventListener("abort", giveUp);

  let offset = upload.offset;
  let wait = FIRST_WAIT_MS;
  while (offset < file.size) {
    signal.throwIfAborted();
    tell({ sent: offset, phase: "sending" });
    try {
      offset = await sendPiece(upload.id, file, offset, signal);
      wait = FIRST_WAIT_MS;
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      tell({ phase: "waiting" });
      await new Promise((resolve) => setTimeout(resolve, wait));
      wait = Math.min(2 * wait, LONGEST_WAIT_MS);
      offset = await arrivedSoFar(upload.id, offset);
    }
  }
  tell({ sent: file.size, phase: "reading" });
  const begun = await body(
    api.POST("/api/uploads/{upload_id}/dataset", { params: { ...params, query: {} } }),
  );
  return finished<DatasetUploaded>(begun, (operation) => tell({ operation }), signal);
}

async function begin(file: File, modified: string): Promise<{ id: string; offset: number }> {
  const about = { filename: file.name, modified };
  const metadata = Object.entries(about).map(([name, value]) => `${name} ${base64(value)}`);
  const header = { "Upload-Length": file.size, "Upload-Metadata": metadata.join(",") };
  return body(api.POST("/api/uploads", { params: { header } }));
}

async function sendPiece(id: string, file: File, offset: number, signal: AbortSignal): Promise<number> {
  const answer = await fetch(`${root}/api/uploads/${id}`, {
    method: "PATCH",
    headers: {
      ...authorization(),
      "Content-Type": "application/offset+octet-stream",
      "Upload-Offset": String(offset),
    },
    body: file.slice(offset, offset + PIECE_BYTES),
    signal,
  }).catch((error: unknown) => {
    throw signal.aborted ? error : new Unreachable();
  });
  if (!answer.ok) throw refusalOf(answer.status, await answer.text());
  return Number(answer.headers.get("Upload-Offset"));
}

/** What the server has of it; as far as was known, while it does not answer. */
async function arrivedSoFar(id: string, known: number): Promise<number> {
  try {
    const upload = await body(api.GET("/api/uploads/{upload_id}", { params: { path: { upload_id: id } } }));
    return upload.offset;
  } catch (error) {
    if (error instanceof Unreachable) return known;
    throw error;
  }
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
