import { useState } from "react";
import { api, body } from "../../api/client";
import type { DatasetRevised, EditRequest } from "../../api/schema";
import { say } from "../../shell/notices";
import { text } from "../../text";
import { useWork } from "./work";

const words = text.datasets.edit;

export interface Editing {
  /** Change and remove rows of what is the newest version. */
  edit: (request: EditRequest) => void;
  busy: boolean;
  /** Why the last edits were refused. */
  error: Error | null;
  /** As if nothing had been refused. */
  forget: () => void;
}

/** A dataset's rows changed by hand; `done` is called when there is a new version. */
export function useEditing(filename: string, done: () => void): Editing {
  const [error, setError] = useState<Error | null>(null);
  const work = useWork<DatasetRevised>(
    filename,
    "edit",
    (result) => {
      say(result.made ? words.made(result.version, result.parent) : words.same);
      done();
    },
    setError,
  );
  return {
    edit: (request) => {
      setError(null);
      work.begin(() =>
        body(
          api.POST("/api/datasets/{filename}/edits", {
            params: { path: { filename } },
            body: request,
          }),
        ),
      );
    },
    busy: work.busy,
    error,
    forget: () => setError(null),
  };
}
