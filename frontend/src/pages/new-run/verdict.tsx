import { Button } from "@mantine/core";
import type { Preflight } from "../../api/schema";
import { text } from "../../text";
import { Card } from "../../ui/card";
import { count, duration, megabytes } from "../../ui/format";
import type { Changes } from "./fields";
import { Memory } from "./memory";
import classes from "./new-run.module.css";

const words = text.newRun.verdict;

interface Props {
  answer: Preflight;
  /** Puts changes into the request. */
  apply: (changes: Changes) => void;
}

/** What the request takes on this machine: memory, time and disk; why it cannot start; and what is worth knowing. */
export function Verdict({ answer, apply }: Props) {
  const { memory, disk, length, time } = answer;
  return (
    <div className={classes.verdict}>
      {!answer.ok && (
        <Card kind="bad">
          <strong>{answer.error}</strong>
          <p>{answer.detail}</p>
        </Card>
      )}
      {memory && (
        <div>
          <h3>{words.memory}</h3>
          <Memory memory={memory} />
          {!memory.fits_now && memory.changes.length > 0 && (
            <>
              <p className={classes.small}>{words.wouldFit}</p>
              <div className={classes.changes}>
                {memory.changes.map((each) => (
                  <Button
                    key={each.about}
                    size="xs"
                    variant="default"
                    className={classes.change}
                    classNames={{ label: classes.changeWords }}
                    onClick={() => apply(each.changes)}
                  >
                    {words.change(each.about, megabytes(each.needs_mb))}
                  </Button>
                ))}
              </div>
            </>
          )}
        </div>
      )}
      <dl className={classes.figures}>
        {time && (
          <div>
            <dt>{words.time}</dt>
            <dd>
              {words.about(duration(time.seconds))}
              <span className={classes.note}>
                {words.between(duration(time.low), duration(time.high))} {words.basedOn(time.about)}
              </span>
            </dd>
          </div>
        )}
        {length && (
          <div>
            <dt>{words.steps}</dt>
            <dd>
              {count(length.optimizer_steps)}
              <span className={classes.note}>
                {words.perStep(length.examples_per_step)}{" "}
                {words.rows(count(length.examples_per_epoch), count(length.held_out))}
              </span>
            </dd>
          </div>
        )}
        {disk?.places.map((place) => (
          <div key={place.folder}>
            <dt>{words.disk}</dt>
            <dd>
              {words.ofFree(megabytes(place.needs_mb), megabytes(place.free_mb))}
              <span className={classes.note}>{place.what}</span>
            </dd>
          </div>
        ))}
        {answer.name && (
          <div>
            <dt>{words.name}</dt>
            <dd>{answer.name}</dd>
          </div>
        )}
      </dl>
      {answer.warnings.length > 0 && (
        <Card kind="warn">
          <strong>{words.warnings}</strong>
          <ul className={classes.warnings}>
            {answer.warnings.map((each) => (
              <li key={each}>{each}</li>
            ))}
          </ul>
        </Card>
      )}
    </div>
  );
}
