import { api, body } from "../../api/client";
import type { ImportRequest } from "../../api/schema";
import type { Source } from "./arrivals";
import { optionsFor } from "./reading";

/** What the server fetches by itself. */
export function importing(request: ImportRequest): Source {
  return {
    name: request.hub ?? request.path ?? "",
    size: null,
    // Datasets of the hub say how they are to be read.
    options: request.path ? optionsFor(request.path) : [],
    send: async () => {},
    read: (reading) => body(api.POST("/api/datasets/import", { body: { ...request, ...reading } })),
    remove: async () => {},
  };
}
