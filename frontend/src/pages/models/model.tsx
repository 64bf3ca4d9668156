import { Button, TextInput } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useRef, useState } from "react";
import type { ModelDetail, TrainingConfig } from "../../api/schema";
import { BeforeAfter } from "../../measures/before-after";
import { holdsOut } from "../../measures/measures";
import { text } from "../../text";
import { Code } from "../../ui/code";
import { megabytes, moment } from "../../ui/format";
import { Page, Section } from "../../ui/page";
import { useDelete, useRename } from "./changes";
import { Download } from "./download";
import { Lineage } from "./lineage";
import classes from "./models.module.css";
import { model } from "./queries";
import { Settings } from "./settings";
import { Usage } from "./usage";

/** A model's card. */
export function Model({ id }: { id: number }) {
  const { data } = useSuspenseQuery(model(id));
  const remove = useDelete();
  const [renaming, setRenaming] = useState(false);
  const renameButton = useRef<HTMLButtonElement>(null);
  const words = text.models;
  return (
    <Page
      title={data.name}
      above={<Link to="/models">{words.back}</Link>}
      about={words.made(moment(data.created_at), data.strategy, data.dataset)}
      actions={
        <>
          <Button
            renderRoot={(props) => <Link to="/playground" search={{ model: id, base: true }} {...props} />}
          >
            {words.talk}
          </Button>
          <Button
            variant="default"
            renderRoot={(props) => (
              <Link
                to="/new"
                search={{ task: data.task, model_name: data.name, preset: "balanced" } as TrainingConfig}
                {...props}
              />
            )}
          >
            {words.further}
          </Button>
          <Download model={data} />
          <Button
            ref={renameButton}
            variant="default"
            aria-expanded={renaming}
            onClick={() => setRenaming(!renaming)}
          >
            {words.rename.action}
          </Button>
          <Button variant="default" loading={remove.isPending} onClick={() => remove.mutate(data)}>
            {words.remove.action}
          </Button>
        </>
      }
    >
      {renaming && (
        <Rename
          model={data}
          close={() => {
            setRenaming(false);
            renameButton.current?.focus();
          }}
        />
      )}
      <Section title={words.lineage.title}>
        <Lineage model={data} />
      </Section>
      <Section title={words.metrics}>
        <BeforeAfter metrics={data.metrics} heldOut={holdsOut(data.training_params)} />
      </Section>
      <Section title={words.use.title}>
        <Usage id={id} />
      </Section>
      <Section title={words.settings.title}>
        <Settings params={data.training_params} />
      </Section>
      <Section title={words.place.title} actions={<span>{megabytes(data.size_mb)}</span>}>
        {data.training_params.use_lora === true && <p>{words.place.adapter(data.base_model)}</p>}
        <Code label={words.place.folder}>{data.path}</Code>
      </Section>
    </Page>
  );
}

function Rename({ model, close }: { model: ModelDetail; close: () => void }) {
  const rename = useRename(model.id);
  const [name, setName] = useState(model.name);

  function save(event: FormEvent): void {
    event.preventDefault();
    rename.mutate(name.trim(), { onSuccess: close });
  }

  return (
    <form onSubmit={save} className={classes.rename}>
      <TextInput
        label={text.models.rename.label}
        error={rename.error?.message}
        value={name}
        autoFocus
        required
        onChange={(event) => setName(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") close();
        }}
      />
      <div className={classes.actions}>
        <Button type="submit" loading={rename.isPending} disabled={["", model.name].includes(name.trim())}>
          {text.models.rename.save}
        </Button>
        <Button variant="default" onClick={close}>
          {text.shell.cancel}
        </Button>
      </div>
    </form>
  );
}
