import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { models } from "../../api/queries";
import type { ModelSummary } from "../../api/schema";
import { text } from "../../text";
import { Empty } from "../../ui/card";
import { megabytes, moment } from "../../ui/format";
import { Missing } from "../../ui/missing";
import { Page, Section } from "../../ui/page";
import { Table } from "../../ui/table";
import { useDelete } from "./changes";
import classes from "./models.module.css";
import { trash } from "./queries";
import { Trash, Undo } from "./trash";

/** Every model. `deleted` is the one that was deleted just now. */
export function Models({ deleted }: { deleted?: number }) {
  const known = useQuery(models);
  const thrown = useQuery(trash);
  const undoable = thrown.data?.models.find((each) => each.id === deleted);
  return (
    <Page title={text.models.title} about={text.models.about}>
      {undoable && <Undo model={undoable} />}
      <Section title={text.models.table.label}>
        {known.data ? <All models={known.data.models.toReversed()} /> : <Missing of={known} />}
      </Section>
      {thrown.data && thrown.data.total > 0 && <Trash models={thrown.data.models.toReversed()} />}
      {thrown.error && !thrown.data && <Missing of={thrown} />}
    </Page>
  );
}

function All({ models }: { models: readonly ModelSummary[] }) {
  const remove = useDelete();
  if (models.length === 0) return <Empty {...text.models.none} />;
  const words = text.models.table;
  return (
    <Table label={words.label}>
      <thead>
        <tr>
          <th scope="col">{words.name}</th>
          <th scope="col">{words.task}</th>
          <th scope="col">{words.base}</th>
          <th scope="col" data-number>
            {words.size}
          </th>
          <th scope="col">{words.made}</th>
          <th scope="col">{words.actions}</th>
        </tr>
      </thead>
      <tbody>
        {models.map((each) => (
          <tr key={each.id}>
            <th scope="row" className={classes.name}>
              <Link to="/models/$modelId" params={{ modelId: each.id }}>
                {each.name}
              </Link>
            </th>
            <td>{text.names.tasks[each.task] ?? each.task}</td>
            <td className={classes.long}>{each.base_model}</td>
            <td data-number>{megabytes(each.size_mb)}</td>
            <td className={classes.short}>{moment(each.created_at)}</td>
            <td>
              <div className={classes.actions}>
                <Button
                  size="compact-sm"
                  variant="light"
                  aria-label={text.models.talkTo(each.name)}
                  renderRoot={(props) => (
                    <Link to="/playground" search={{ model: each.id, base: true }} {...props} />
                  )}
                >
                  {text.models.talk}
                </Button>
                <Button
                  size="compact-sm"
                  variant="subtle"
                  color="gray"
                  aria-label={`${text.models.remove.action} ${each.name}`}
                  loading={remove.isPending && remove.variables.id === each.id}
                  onClick={() => remove.mutate(each)}
                >
                  {text.models.remove.action}
                </Button>
              </div>
            </td>
          </tr>
        ))}
      </tbody>
    </Table>
  );
}
