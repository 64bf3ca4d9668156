import { Button, NumberInput } from "@mantine/core";
import { useState } from "react";
import { type ApiDocument, numberField } from "../../api/fields";
import { text } from "../../text";
import type { Sampling as Settings } from "./conversation";
import classes from "./playground.module.css";

const KEPT = "modelforge-sampling";

const STEPS = { temperature: 0.1, top_p: 0.05, max_new_tokens: 50, seed: 1 } as const;
const NAMES = Object.keys(STEPS) as (keyof typeof STEPS)[];

/** What was chosen in this tab; the rest is as the server has it. */
export function useSampling() {
  const [sampling, setSampling] = useState<Settings>(() => JSON.parse(sessionStorage.getItem(KEPT) ?? "{}"));
  const change = (to: Settings) => {
    sessionStorage.setItem(KEPT, JSON.stringify(to));
    setSampling(to);
  };
  return [sampling, change] as const;
}

interface Props {
  document: ApiDocument;
  sampling: Settings;
  change: (sampling: Settings) => void;
}

/** The settings of an answer, with the bounds and the words of the API's own description. */
export function Sampling({ document, sampling, change }: Props) {
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
      {Object.values(sampling).some((value) => value !== undefined) && (
        <Button size="compact-sm" variant="default" onClick={() => change({})}>
          {words.reset}
        </Button>
      )}
    </details>
  );
}
