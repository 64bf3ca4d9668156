import { type UseQueryResult, useQuery } from "@tanstack/react-query";
import { jobWith } from "../../api/jobs";
import { models } from "../../api/queries";
import { text } from "../../text";
import { Empty } from "../../ui/card";
import { Missing } from "../../ui/missing";
import { Page } from "../../ui/page";
import { model } from "../models/queries";
import { Beside } from "./beside";
import { Choice } from "./choice";
import { type Search, sideNamed, sidesOf, type Trained, taskOf, trainedBy, trainedModel } from "./sides";
import { Talk } from "./talk";

/** Asking a model. Who is asked stands in the address. */
export function Playground({ search }: { search: Search }) {
  const known = useQuery(models);
  return (
    <Page title={text.playground.title} about={text.playground.about}>
      {known.data ? (
        <>
          {known.data.total === 0 && Object.keys(search).length === 0 && <Empty {...text.playground.none} />}
          <Choice models={known.data.models} search={search} />
          <Chosen search={search} />
        </>
      ) : (
        <Missing of={known} />
      )}
    </Page>
  );
}

function Chosen({ search }: { search: Search }) {
  if (search.job !== undefined) return <OfJob id={search.job} search={search} />;
  if (search.model === undefined) return null;
  if (typeof search.model === "number") return <OfModel id={search.model} search={search} />;
  const task = taskOf(search.task);
  const name = `name-${search.model}-${task}`;
  return <Talk key={name} name={name} task={task} sides={[sideNamed(search.model, task)]} />;
}

function OfModel({ id, search }: { id: number; search: Search }) {
  return <Ask found={useQuery({ ...model(id), select: trainedModel })} search={search} />;
}

function OfJob({ id, search }: { id: string; search: Search }) {
  return <Ask found={useQuery({ ...jobWith(id), select: trainedBy })} search={search} />;
}

function Ask({ found, search }: { found: UseQueryResult<Trained>; search: Search }) {
  const data = found.data;
  if (!data) return <Missing of={found} />;
  return (
    <>
      <Beside trained={data} search={search} />
      <Talk key={data.key} name={data.key} task={data.task} sides={sidesOf(data, search)} job={data.job} />
    </>
  );
}
