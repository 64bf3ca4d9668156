import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, body } from "../../api/client";
import { useFollowing } from "../../api/following";
import { text } from "../../text";
import { Card, Empty } from "../../ui/card";
import { measured } from "../../ui/format";
import { Missing } from "../../ui/missing";
import classes from "./run.module.css";
import { type Asked, byPrompt } from "./samples";

const words = text.run.samples;
/** Answers of a prompt that are shown at first. */
const SHOWN = 5;

/** What the model says to the same few prompts as it learns. */
export function SamplesView({ id }: { id: string }) {
  const asked = useQuery({
    queryKey: ["jobs", "one", id, "samples"],
    queryFn: () => body(api.GET("/api/jobs/{job_id}/samples", { params: { path: { job_id: id } } })),
  });
  useFollowing(id, asked.refetch);

  if (!asked.data) return <Missing of={asked} lines={6} />;
  if (asked.data.total === 0) return <Empty {...words.none} />;
  return (
    <div className={classes.samples}>
      {byPrompt(asked.data.samples).map((each) => (
        <Prompt key={each.prompt} {...each} />
      ))}
    </div>
  );
}

function Prompt({ prompt, expected, said }: Asked) {
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
