import { Button, Checkbox, NumberInput, Textarea } from "@mantine/core";
import { useState } from "react";
import { type ApiDocument, numberField } from "../../api/fields";
import { text } from "../../text";
import { keep, recall } from "../../ui/kept";
import type { Memory, Sampling as Settings } from "./conversation";
import classes from "./playground.module.css";

const KEPT = "sampling";

type Chosen = Settings & Memory;

const STEPS = { temperature: 0.1, top_p: 0.05, max_new_tokens: 50, seed: 1 } as const;
const NAMES = Object.keys(STEPS) as (keyof typeof STEPS)[];

/** What was chosen in this tab; the rest is as the server has it. */
export function useSampling() {
  const [sampling, setSampling] = useState<Chosen>(() => (recall(KEPT) ?? {}) as Chosen);
  const change = (to: Chosen) => {
    keep(KEPT, to);
    setSampling(to);
  };
  return [sampling, change] as const;
}

interface Props {
  document: ApiDocument;
  sampling: Chosen;
  /** Whether it holds a conversation. */
  chat: boolean;
  change: (sampling: Chosen) => void;
}

/** The settings of an answer, with the bounds and the words of the API's own description. */
export function Sampling({ document, sampling, chat, change }: Props) {
  const words = text.playground.sampling;
  return (
    <details className={classes.sampling}>
      <summary>{words.title}</summary>
      <div className={classes.fields}>
        {NAMES.map((name) => {
          const field = numberField(document, "GenerateRequest", name, STEPS[name]);
          return (
            <NumberInput
              key={name}
              label={words.fields[name]}
              description={field.about}
              inputWrapperOrder={["label", "input", "description", "error"]}
              value={sampling[name] ?? field.initial ?? ""}
              min={field.minimum}
              max={field.maximum}
              step={STEPS[name]}
              allowDecimal={!field.whole}
              clampBehavior="blur"
              onChange={(value) =>
                change({ ...sampling, [name]: typeof value === "number" ? value : undefined })
              }
            />
          );
        })}
      </div>
      {chat && (
        <>
          <Checkbox
            label={words.remembers}
            description={words.remembersAbout}
            checked={sampling.remembers ?? false}
            onChange={(event) => change({ ...sampling, remembers: event.target.checked || undefined })}
          />
          <Textarea
            label={words.system}
            description={words.systemAbout}
            value={sampling.system ?? ""}
            autosize
            minRows={1}
            maxRows={6}
            onChange={(event) => change({ ...sampling, system: event.target.value || undefined })}
          />
        </>
      )}
      {Object.values(sampling).some((value) => value !== undefined) && (
        <Button size="compact-sm" variant="default" onClick={() => change({})}>
          {words.reset}
        </Button>
      )}
    </details>
  );
}
