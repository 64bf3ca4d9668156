import { Checkbox } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { checkpointsOf } from "../../api/jobs";
import { text } from "../../text";
import { Refused } from "../../ui/refused";
import classes from "./playground.module.css";
import { askable, type Search, type Trained } from "./sides";

/** Who is asked the same beside a training's end: what it began with, and its checkpoints. */
export function Beside({ trained, search }: { trained: Trained; search: Search }) {
  const navigate = useNavigate({ from: "/playground" });
  const found = useQuery(checkpointsOf(trained.job));
  const words = text.playground.beside;
  const { steps = [] } = search;
  const change = (to: Pick<Search, "base" | "steps">) =>
    navigate({ search: { ...search, ...to }, replace: true });

  return (
    <fieldset className={classes.beside}>
      <legend>{words.legend}</legend>
      <Checkbox
        label={words.base(trained.base)}
        checked={search.base === true}
        onChange={(event) => change({ base: event.target.checked || undefined })}
      />
      {askable(found.data?.checkpoints ?? []).map(({ step }) => (
        <Checkbox
          key={step}
          label={words.checkpoint(step)}
          checked={steps.includes(step)}
          onChange={(event) => {
            const others = steps.filter((each) => each !== step);
            const chosen = event.target.checked ? [...others, step] : others;
            change({ steps: chosen.length > 0 ? chosen : undefined });
          }}
        />
      ))}
      {found.isError && <Refused error={found.error} retry={found.refetch} />}
    </fieldset>
  );
}
