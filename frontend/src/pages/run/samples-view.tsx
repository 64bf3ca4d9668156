import type { JobDetail } from "../../api/schema";
import { text } from "../../text";
import { Card, Empty } from "../../ui/card";
import classes from "./run.module.css";

/** What the model says as it learns, the newest first. */
export function SamplesView({ job }: { job: JobDetail }) {
  const samples = job.events.filter((event) => event.kind === "sample").reverse();
  if (samples.length === 0) return <Empty {...text.run.samples.none} />;
  return (
    <div className={classes.samples}>
      {samples.map((sample) => (
        <Card key={sample.seq}>
          <p className={classes.sample}>{sample.text}</p>
        </Card>
      ))}
    </div>
  );
}
