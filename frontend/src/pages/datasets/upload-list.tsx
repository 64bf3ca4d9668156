import { CloseButton, Progress } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { text } from "../../text";
import { Tag } from "../../ui/card";
import classes from "./drop.module.css";
import { type FileUpload, uploads, useUploads } from "./uploads";

const words = text.datasets.upload;

/** The files that this tab sends or has sent. */
export function UploadList() {
  const all = useUploads();
  return (
    <ul className={classes.uploads} aria-label={words.title} aria-live="polite">
      {all.map((each) => (
        <li key={each.id} className={classes.upload} data-phase={each.phase}>
          <Upload upload={each} />
        </li>
      ))}
    </ul>
  );
}

function Upload({ upload }: { upload: FileUpload }) {
  const { id, name, phase, result } = upload;
  const runs = phase === "sending" || phase === "waiting" || phase === "reading";
  return (
    <>
      <div className={classes.line}>
        <strong className={classes.name}>{name}</strong>
        <span className={classes.how} role={phase === "refused" ? "alert" : undefined}>
          {how(upload)}
        </span>
        {result && (
          <>
            <Tag kind={result.validation.valid ? "good" : "warn"}>
              {result.validation.valid ? text.datasets.states.good : text.datasets.states.bad}
            </Tag>
            <Link to="/datasets/$filename" params={{ filename: result.filename }}>
              {words.open}
            </Link>
          </>
        )}
        <CloseButton
          size="sm"
          aria-label={runs ? words.cancel(name) : words.dismiss(name)}
          onClick={() => (runs ? uploads.cancel(id) : uploads.dismiss(id))}
        />
      </div>
      {runs && (
        <Progress
          mt={8}
          size="sm"
          value={100 * (phase === "reading" ? (upload.operation?.progress ?? 1) : share(upload))}
          animated={phase === "reading" && upload.operation === undefined}
          aria-label={words.progress(name)}
        />
      )}
    </>
  );
}

function share({ sent, size }: FileUpload): number {
  return size === 0 ? 0 : sent / size;
}

function how({ phase, sent, size, operation, result, refusal }: FileUpload): string {
  switch (phase) {
    case "sending":
      return words.sending(sent, size);
    case "waiting":
      return words.waiting;
    case "reading":
      return operation?.message || words.reading;
    case "cancelled":
      return words.cancelled;
    case "refused":
      return refusal?.detail ?? "";
    case "done":
      return words.done(result?.num_examples ?? 0);
  }
}
