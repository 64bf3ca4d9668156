import { api, authorization, body, Refusal, refusalOf, Unreachable } from "../../api/client";
import { pause } from "../../api/pause";
import { root } from "../../api/root";
import { text } from "../../text";
import type { Source, Tell } from "./arrivals";
import { optionsFor, type Reading } from "./reading";

const PIECE_BYTES = 8_000_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;

/** Uploads of this tab: another file of the same name does not go on with one of them. */
const ours = new Set<string>();

/** A file of this computer on its way by tus: begun anew, or where an earlier try of the same file stopped. */
export class Sending implements Source {
  private id = "";

  constructor(private readonly file: File) {}

  get name() {
    return this.file.name;
  }

  get size() {
    return this.file.size;
  }

  get options() {
    return optionsFor(this.file.name);
  }

  async send(tell: Tell, signal: AbortSignal): Promise<void> {
    let offset = await this.begin(signal);
    let wait = FIRST_WAIT_MS;
    while (offset < this.file.size) {
      signal.throwIfAborted();
      tell({ sent: offset, phase: "sending" });
      try {
        offset = await sendPiece(this.id, this.file, offset, tell, signal);
        wait = FIRST_WAIT_MS;
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
        await requireSame(this.file);
        tell({ phase: "waiting" });
        await pause(wait, signal);
        signal.throwIfAborted();
        wait = Math.min(2 * wait, LONGEST_WAIT_MS);
        offset = await this.arrived(offset, signal);
      }
    }
  }

  read(query: Reading) {
    const params = { path: { upload_id: this.id }, query };
    return body(api.POST("/api/uploads/{upload_id}/dataset", { params }));
  }

  async remove(): Promise<void> {
    if (this.id === "") return;
    try {
      await api.DELETE("/api/uploads/{upload_id}", { params: { path: { upload_id: this.id } } });
    } catch (error) {
      // It expired, or was made a dataset.
      if (!(error instanceof Refusal && error.status === 404)) throw error;
    }
    ours.delete(this.id);
    this.id = "";
  }

  /** Where the next piece begins. */
  private async begin(signal: AbortSignal): Promise<number> {
    const modified = String(this.file.lastModified);
    const { uploads: known } = await body(api.GET("/api/uploads", { signal }));
    const before = known.find(
      (each) =>
        !ours.has(each.id) &&
        each.metadata.filename === this.file.name &&
        each.length === this.file.size &&
        each.metadata.modified === modified,
    );
    if (before) ours.add(before.id);
    // One that is begun can only be removed when its id is known: this is not cut off.
    const upload = before ?? (await begin(this.file, modified));
    ours.add(upload.id);
    this.id = upload.id;
    return upload.offset;
  }

  /** What the server has of it; as far as was known, while it does not answer. */
  private async arrived(known: number, signal: AbortSignal): Promise<number> {
    try {
      const params = { path: { upload_id: this.id } };
      return (await body(api.GET("/api/uploads/{upload_id}", { params, signal }))).offset;
    } catch (error) {
      if (error instanceof Unreachable) return known;
      throw error;
    }
  }
}

function begin(file: File, modified: string): Promise<{ id: string; offset: number }> {
  const about = { filename: file.name, modified };
  const metadata = Object.entries(about).map(([name, value]) => `${name} ${base64(value)}`);
  const header = { "Upload-Length": file.size, "Upload-Metadata": metadata.join(",") };
  return body(api.POST("/api/uploads", { params: { header } }));
}

/** Where the next piece begins. XMLHttpRequest, because fetch does not tell how much was sent. */
function sendPiece(id: string, file: File, offset: number, tell: Tell, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PATCH", `${root}/api/uploads/${id}`);
    const headers = {
      ...authorization(),
      "Content-Type": "application/offset+octet-stream",
      "Upload-Offset": String(offset),
    };
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded }) => tell({ sent: offset + loaded });
    request.onload = () => {
      const next = Number(request.getResponseHeader("Upload-Offset"));
      if (request.status === 204 && next > offset) resolve(next);
      else reject(refusalOf(request.status, request.responseText));
    };
    request.onerror = () => reject(new Unreachable());
    request.onabort = () => reject(signal.reason);
    const stop = () => request.abort();
    signal.addEventListener("abort", stop);
    request.onloadend = () => signal.removeEventListener("abort", stop);
    request.send(file.slice(offset, offset + PIECE_BYTES));
  });
}

/** A browser tells a file that was changed on the disk as it tells a broken connection, save where it reads it. */
async function requireSame(file: File): Promise<void> {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    const { title, detail } = text.datasets.arrivals.changed;
    throw new Refusal(title, detail, 0);
  }
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
