import { Button } from "@mantine/core";
import { useState } from "react";
import { text } from "../../text";
import { Card } from "../../ui/card";
import { measured } from "../../ui/format";
import classes from "./run.module.css";
import type { Asked } from "./samples";

const words = text.run.samples;
/** Answers that are shown at first. */
const SHOWN = 5;

/** A prompt, what was said to it as the training went on, and what the data says. */
export function Prompt({ prompt, expected, said }: Asked) {
  const [shown, setShown] = useState(SHOWN);
  return (
    <Card>
      <p className={classes.prompt}>{prompt}</p>
      <dl className={classes.said}>
        {said.slice(0, shown).map(({ step, completion, reward }) => (
          <div key={step}>
            <dt>{step === 0 ? words.before : text.run.chart.step(step)}</dt>
            <dd>
              {completion || <em>{words.nothing}</em>}
              {reward !== null && <small>{words.reward(measured(reward))}</small>}
            </dd>
          </div>
        ))}
        {said.length > shown && (
          <div>
            <dt />
            <dd>
              <Button size="compact-xs" variant="default" onClick={() => setShown(said.length)}>
                {words.earlier(said.length - shown)}
              </Button>
            </dd>
          </div>
        )}
        {expected && (
          <div data-expected>
            <dt>{words.expected}</dt>
            <dd>{expected}</dd>
          </div>
        )}
      </dl>
    </Card>
  );
}
