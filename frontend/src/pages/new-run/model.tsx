import { TextInput } from "@mantine/core";
import { text } from "../../text";
import { Choices } from "../../ui/choices";
import type { Given } from "./fields";
import classes from "./new-run.module.css";

const words = text.newRun.models;

export interface Startable {
  name: string;
  about: string;
}

interface Props {
  given: Given;
  models: readonly Startable[];
  problem: string | undefined;
  set: (changes: Record<string, unknown>) => void;
}

/** A model to start from: one that is known to go here, or any other by its id or folder. */
export function Model({ given, models, problem, set }: Props) {
  const listed = models.some((each) => each.name === given.model_name);
  return (
    <div className={classes.fields}>
      <Choices
        label={words.label}
        layout="list"
        value={given.model_name}
        error={listed ? problem : undefined}
        onChange={(model_name) => set({ model_name })}
        choices={models.map((each) => ({ value: each.name, title: each.name, about: each.about }))}
      />
      <TextInput
        label={words.own}
        description={words.ownAbout}
        placeholder={words.ownExample}
        autoComplete="off"
        spellCheck={false}
        value={listed ? "" : (given.model_name ?? "")}
        error={listed ? undefined : problem}
        onChange={(event) => set({ model_name: event.target.value || undefined })}
      />
    </div>
  );
}
