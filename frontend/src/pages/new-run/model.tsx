import { Checkbox, TextInput } from "@mantine/core";
import { useState } from "react";
import type { BaseModelChoice } from "../../api/schema";
import { text } from "../../text";
import { Tag } from "../../ui/card";
import { Choices } from "../../ui/choices";
import { count, megabytes, short } from "../../ui/format";
import { Elsewhere } from "./elsewhere";
import type { Changes, Given } from "./fields";
import classes from "./new-run.module.css";

const words = text.newRun.models;

interface Props {
  given: Given;
  /** The same with what follows from it. */
  whole: Given;
  models: readonly BaseModelChoice[];
  problem: string | undefined;
  set: (changes: Changes) => void;
}

/** A model of the catalogue for this goal and this machine, or any other by its id or folder. */
export function Model({ given, whole, models, problem, set }: Props) {
  const [search, setSearch] = useState("");
  const [fitting, setFitting] = useState(true);
  const strategy = whole.strategy ?? "sft";
  const wanted = search.toLowerCase().split(/\s+/).filter(Boolean);
  const listed = models.some((each) => each.name === whole.model_name);
  const shown = models.filter((each) => {
    const about = `${each.name} ${each.about} ${each.licence ?? ""}`.toLowerCase();
    return (
      each.name === whole.model_name ||
      (wanted.every((word) => about.includes(word)) &&
        (whole.task === undefined || each.tasks.includes(whole.task)) &&
        (!fitting || fitOf(each, strategy)?.fits !== false))
    );
  });

  return (
    <div className={classes.fields}>
      <div className={classes.filter}>
        <TextInput
          type="search"
          aria-label={words.search}
          placeholder={words.search}
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
        <Checkbox
          label={words.fitting}
          checked={fitting}
          onChange={(event) => setFitting(event.target.checked)}
        />
      </div>
      {shown.length === 0 && <p className={classes.small}>{words.nothing}</p>}
      <Choices
        label={words.label}
        layout="list"
        value={whole.model_name}
        error={listed ? problem : undefined}
        onChange={(model_name) => set({ model_name })}
        choices={shown.map((each) => ({
          value: each.name,
          title: each.name,
          about: (
            <>
              {each.about} <span className={classes.facts}>{facts(each)}</span>
            </>
          ),
          tag: <Fit model={each} strategy={strategy} />,
        }))}
      />
      {given.model_name === undefined && whole.model_name !== undefined && (
        <p className={classes.small}>{words.usual(whole.model_name)}</p>
      )}
      <Elsewhere
        label={words.own}
        description={words.ownAbout}
        placeholder={words.ownExample}
        value={given.model_name}
        listed={listed}
        error={problem}
        onChange={(model_name) => set({ model_name })}
      />
    </div>
  );
}

function fitOf(model: BaseModelChoice, strategy: string) {
  return model.fits.find((each) => each.strategy === strategy);
}

function Fit({ model, strategy }: { model: BaseModelChoice; strategy: string }) {
  const fit = fitOf(model, strategy);
  if (fit === undefined) return null;
  if (!fit.fits) return <Tag kind="bad">{words.fitsNot(megabytes(fit.least_mb))}</Tag>;
  return <Tag kind="good">{words.fits(megabytes(fit.least_mb), megabytes(fit.needs_mb))}</Tag>;
}

function facts({ parameters, context, licence, gated, source }: BaseModelChoice): string {
  return [
    words.sources[source],
    parameters === null ? "" : words.parameters(short(parameters)),
    context === null ? "" : words.context(count(context)),
    licence ?? "",
    gated ? words.gated : "",
  ]
    .filter(Boolean)
    .join(" · ");
}
