import { Button } from "@mantine/core";
import { useState } from "react";
import type { DeletedModel } from "../../api/schema";
import { text } from "../../text";
import { Ask } from "../../ui/ask";
import { Card } from "../../ui/card";
import { megabytes, moment } from "../../ui/format";
import { Section } from "../../ui/page";
import { Table } from "../../ui/table";
import { usePurge, useRestore } from "./changes";
import classes from "./models.module.css";

/** What was deleted just now, and the way back. */
export function Undo({ model }: { model: DeletedModel }) {
  const restore = useRestore();
  return (
    <Card kind="quiet">
      <div className={classes.undo} role="status">
        <span>
          <strong>{text.models.remove.done(model.name)}</strong>{" "}
          {text.models.remove.until(moment(model.restorable_until))}
        </span>
        <Button size="compact-sm" autoFocus loading={restore.isPending} onClick={() => restore.mutate(model)}>
          {text.models.remove.undo}
        </Button>
      </div>
    </Card>
  );
}

/** Deleted models, until they go by themselves. */
export function Trash({ models }: { models: readonly DeletedModel[] }) {
  const words = text.models.trash;
  return (
    <Section title={words.title}>
      <Table label={words.label}>
        <thead>
          <tr>
            <th scope="col">{words.name}</th>
            <th scope="col" data-number>
              {words.size}
            </th>
            <th scope="col">{words.until}</th>
            <th scope="col">{text.models.table.actions}</th>
          </tr>
        </thead>
        <tbody>
          {models.map((each) => (
            <Thrown key={each.id} model={each} />
          ))}
        </tbody>
      </Table>
    </Section>
  );
}

function Thrown({ model }: { model: DeletedModel }) {
  const words = text.models.trash;
  const restore = useRestore();
  const purge = usePurge();
  const [asked, setAsked] = useState(false);
  return (
    <tr>
      <th scope="row" className={classes.name}>
        {model.name}
      </th>
      <td data-number>{megabytes(model.size_mb)}</td>
      <td className={classes.short}>{moment(model.restorable_until)}</td>
      <td>
        <div className={classes.actions}>
          <Button
            size="compact-sm"
            variant="light"
            aria-label={words.restoreNamed(model.name)}
            loading={restore.isPending}
            onClick={() => restore.mutate(model)}
          >
            {words.restore}
          </Button>
          <Button
            size="compact-sm"
            variant="subtle"
            color="gray"
            aria-label={words.purgeNamed(model.name)}
            onClick={() => setAsked(true)}
          >
            {words.purge}
          </Button>
        </div>
        <Ask
          opened={asked}
          title={words.purgeNamed(model.name)}
          action={words.purge}
          busy={purge.isPending}
          onClose={() => setAsked(false)}
          onConfirm={() => purge.mutate(model)}
        >
          <p>{words.sure(model.name)}</p>
        </Ask>
      </td>
    </tr>
  );
}
