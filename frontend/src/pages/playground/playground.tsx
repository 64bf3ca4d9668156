import { useQuery } from "@tanstack/react-query";
import { models } from "../../api/queries";
import { text } from "../../text";
import { Empty } from "../../ui/card";
import { Loading } from "../../ui/loading";
import { Page } from "../../ui/page";
import { Refused } from "../../ui/refused";
import { model } from "../models/queries";
import { Choice } from "./choice";
import { type Search, sideNamed, sidesOf, taskOf } from "./sides";
import { Talk } from "./talk";

/** Asking a model. What is asked stands in the address: a model trained here by its id, another by its name. */
export function Playground({ search }: { search: Search }) {
  const known = useQuery(models);
  return (
    <Page title={text.playground.title} about={text.playground.about}>
      {known.isError ? (
        <Refused error={known.error} retry={known.refetch} />
      ) : known.data ? (
        <>
          {known.data.total === 0 && search.model === undefined && <Empty {...text.playground.none} />}
          <Choice models={known.data.models} search={search} />
          {typeof search.model === "number" && <Tuned id={search.model} search={search} />}
          {typeof search.model === "string" && (
            <Talk
              key={search.model + search.task}
              name={search.model}
              task={taskOf(search.task)}
              sides={[sideNamed(search.model, taskOf(search.task))]}
            />
          )}
        </>
      ) : (
        <Loading />
      )}
    </Page>
  );
}

function Tuned({ id, search }: { id: number; search: Search }) {
  const { data, error, refetch } = useQuery(model(id));
  if (error) return <Refused error={error} retry={refetch} />;
  if (!data) return <Loading />;
  return (
    <Talk key={id} name={`#${id}`} task={taskOf(data.task)} sides={sidesOf(data, search.base === true)} />
  );
}
