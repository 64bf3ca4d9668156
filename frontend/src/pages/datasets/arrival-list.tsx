import { CloseButton, Progress, VisuallyHidden } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect } from "react";
import { text } from "../../text";
import { Card, Tag } from "../../ui/card";
import classes from "./arrival-list.module.css";
import { type Arrival, arrivals, useArrivals } from "./arrivals";
import { changed, work } from "./queries";
import { ReadAgain } from "./read-again";

const words = text.datasets.arrivals;

/** What comes or has come as long as this tab is open, and what the server was reading before. */
export function ArrivalList() {
  const all = useArrivals();
  const queries = useQueryClient();
  const { data: works } = useQuery(work);
  useEffect(() => {
    for (const each of works?.operations ?? []) {
      if (each.kind !== "import" || each.status !== "running") continue;
      arrivals.follow(each, null, (result) => changed(queries, result.filename));
    }
  }, [works, queries]);
  return (
    <ul className={classes.arrivals} aria-label={words.title}>
      {all.map((each) => (
        <li key={each.id}>
          <Card kind={each.phase === "refused" ? "bad" : undefined}>
            <Item arrival={each} />
          </Card>
        </li>
      ))}
    </ul>
  );
}

function Item({ arrival }: { arrival: Arrival }) {
  const { id, name, phase, result, again } = arrival;
  const runs = phase === "sending" || phase === "waiting" || phase === "reading";
  return (
    <>
      <div className={classes.line}>
        <strong className={classes.name}>{name}</strong>
        <span className={classes.how} data-phase={phase} role={phase === "refused" ? "alert" : undefined}>
          {how(arrival)}
        </span>
        {/* Numbers change too often to be read out. */}
        <VisuallyHidden role="status">{words.phases[phase]}</VisuallyHidden>
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
          onClick={() => (runs ? arrivals.cancel(id) : arrivals.dismiss(id))}
        />
      </div>
      {again && <ReadAgain options={again} read={(reading) => arrivals.again(id, reading)} />}
      {runs && (
        <Progress
          mt={8}
          size="sm"
          value={100 * (phase === "reading" ? (arrival.operation?.progress ?? 1) : share(arrival))}
          animated={phase === "reading" && arrival.operation === undefined}
          aria-label={words.progress(name)}
        />
      )}
    </>
  );
}

function share({ sent, size }: Arrival): number {
  return size ? sent / size : 0;
}

function how({ phase, sent, size, operation, result, refusal, left }: Arrival): string {
  switch (phase) {
    case "sending":
      return size === null ? words.reading : words.sending(sent, size);
    case "waiting":
      return words.waiting;
    case "reading":
      return operation?.message || words.reading;
    case "cancelled":
      return left ? words.left : words.cancelled;
    case "refused":
      return refusal?.detail ?? "";
    case "done":
      return words.done(result?.num_examples ?? 0);
  }
}
