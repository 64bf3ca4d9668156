import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api, body } from "../../api/client";
import { finished } from "../../api/operations";
import { datasets } from "../../api/queries";
import type { DatasetSummary, DatasetUploaded, Sample } from "../../api/schema";
import { say, tell } from "../../shell/notices";
import { text } from "../../text";
import { Card, Empty, Tag } from "../../ui/card";
import { count, megabytes, moment } from "../../ui/format";
import { Missing } from "../../ui/missing";
import { Page, Section } from "../../ui/page";
import { Table } from "../../ui/table";
import { ArrivalList } from "./arrival-list";
import { Drop } from "./drop";
import { Elsewhere } from "./elsewhere";
import classes from "./list.module.css";
import { changed, samples } from "./queries";

const words = text.datasets;

export function DatasetList() {
  const all = useQuery(datasets);
  return (
    <Page title={words.title} about={words.about}>
      <Drop />
      <Elsewhere />
      <ArrivalList />
      <div className={classes.all}>
        {!all.data ? (
          <Missing of={all} />
        ) : all.data.datasets.length === 0 ? (
          <Empty {...words.none} />
        ) : (
          <All datasets={all.data.datasets.toReversed()} />
        )}
      </div>
      <Samples />
    </Page>
  );
}

function All({ datasets }: { datasets: readonly DatasetSummary[] }) {
  return (
    <Table label={words.title}>
      <thead>
        <tr>
          <th scope="col">{words.table.name}</th>
          <th scope="col">{words.table.state}</th>
          <th scope="col">{words.table.kind}</th>
          <th scope="col" data-number>
            {words.table.examples}
          </th>
          <th scope="col" data-number>
            {words.table.size}
          </th>
          <th scope="col">{words.table.added}</th>
        </tr>
      </thead>
      <tbody>
        {datasets.map((each) => (
          <tr key={each.id}>
            <th scope="row" className={classes.name}>
              <Link to="/datasets/$filename" params={{ filename: each.filename }}>
                {each.filename}
              </Link>
              {each.version > 1 && <div className={classes.version}>{words.version(each.version)}</div>}
            </th>
            <td>
              <DatasetState dataset={each} />
            </td>
            <td>{each.shape ? (words.shapes[each.shape] ?? each.shape) : words.noShape}</td>
            <td data-number>{count(each.num_examples)}</td>
            <td data-number>{megabytes(each.size_mb)}</td>
            <td>{moment(each.uploaded_at)}</td>
          </tr>
        ))}
      </tbody>
    </Table>
  );
}

function DatasetState({ dataset }: { dataset: DatasetSummary }) {
  if (dataset.shape === null) return <Tag kind="warn">{words.states.unmapped}</Tag>;
  return dataset.valid ? (
    <Tag kind="good">{words.states.good}</Tag>
  ) : (
    <Tag kind="warn">{words.states.bad}</Tag>
  );
}

function Samples() {
  const all = useQuery(samples);
  return (
    <Section title={words.samples.title}>
      <p className={classes.about}>{words.samples.about}</p>
      {all.data ? (
        <ul className={classes.samples}>
          {all.data.samples.map((each) => (
            <SampleCard key={each.name} sample={each} />
          ))}
        </ul>
      ) : (
        <Missing of={all} />
      )}
    </Section>
  );
}

function SampleCard({ sample }: { sample: Sample }) {
  const queries = useQueryClient();
  const add = useMutation({
    mutationFn: async () =>
      finished<DatasetUploaded>(
        await body(api.POST("/api/datasets/import", { body: { sample: sample.name } })),
      ),
    onSuccess: (result) => {
      say(words.samples.added(result.filename));
      return changed(queries, result.filename);
    },
    onError: tell,
  });
  return (
    <li>
      <Card>
        <div className={classes.sample}>
          <div>
            <strong>{sample.title}</strong>
            <p>{sample.about}</p>
            <span className={classes.version}>
              {words.rows(sample.rows)} · {sample.fields.join(", ")} · {sample.licence}
            </span>
          </div>
          <Button
            size="xs"
            variant="default"
            loading={add.isPending}
            aria-label={words.samples.label(sample.title)}
            onClick={() => add.mutate()}
          >
            {words.samples.add}
          </Button>
        </div>
      </Card>
    </li>
  );
}
