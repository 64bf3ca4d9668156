import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import type { ModelSummary } from "../../api/schema";
import { text } from "../../text";
import { STARTER } from "../../ui/model-input";
import classes from "./playground.module.css";
import { type Search, TASKS, taskOf } from "./sides";

const OTHER = "other";

/** Who is asked. */
export function Choice({ models, search }: { models: readonly ModelSummary[]; search: Search }) {
  const navigate = useNavigate({ from: "/playground" });
  const [other, setOther] = useState(false);
  const words = text.playground.choose;
  const names = new Set(models.map(({ name }) => name));
  const bases = [...new Set([STARTER, ...models.map(({ base_model }) => base_model)])].filter(
    (base) => !names.has(base),
  );
  const strange = typeof search.model === "string" && !bases.includes(search.model) ? [search.model] : [];

  function choose(value: string): void {
    setOther(value === OTHER);
    if (value === OTHER || value === "") return;
    const [kind, model] = [value.slice(0, 1), value.slice(1)];
    void navigate({ search: { model: kind === "#" ? Number(model) : model } });
  }

  return (
    <div className={classes.choice}>
      <NativeSelect
        label={words.label}
        value={other ? OTHER : optionOf(search.model)}
        onChange={(event) => choose(event.target.value)}
      >
        {search.model === undefined && (
          <option value="">{search.job === undefined ? words.none : words.run(search.job)}</option>
        )}
        {models.length > 0 && (
          <optgroup label={words.yours}>
            {models.toReversed().map(({ id, name }) => (
              <option key={id} value={optionOf(id)}>
                {name}
              </option>
            ))}
          </optgroup>
        )}
        <optgroup label={words.bases}>
          {[...bases, ...strange].map((name) => (
            <option key={name} value={optionOf(name)}>
              {name}
            </option>
          ))}
        </optgroup>
        <option value={OTHER}>{words.other}</option>
      </NativeSelect>
      {other && <Other open={(to) => navigate({ search: to }).then(() => setOther(false))} />}
      {!other && typeof search.model === "string" && (
        <NativeSelect
          label={text.playground.other.task}
          value={taskOf(search.task)}
          onChange={(event) => navigate({ search: { ...search, task: taskOf(event.target.value) } })}
          data={TASKS.map((value) => ({ value, label: text.names.tasks[value] ?? value }))}
        />
      )}
    </div>
  );
}

function Other({ open }: { open: (search: Search) => void }) {
  const [name, setName] = useState("");
  const words = text.playground.other;

  function submit(event: FormEvent): void {
    event.preventDefault();
    open({ model: name.trim() });
  }

  return (
    <form onSubmit={submit} className={classes.other}>
      <TextInput
        label={words.label}
        value={name}
        autoFocus
        required
        onChange={(event) => setName(event.target.value)}
      />
      <Button type="submit" disabled={name.trim() === ""}>
        {words.open}
      </Button>
    </form>
  );
}

/** A model as the choice has it: a name may be a number, and may be called as anything here. */
function optionOf(model: Search["model"]): string {
  if (model === undefined) return "";
  return typeof model === "number" ? `#${model}` : `=${model}`;
}
