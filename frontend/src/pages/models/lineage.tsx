import { Link } from "@tanstack/react-router";
import type { ModelDetail } from "../../api/schema";
import { text } from "../../text";
import { Tag } from "../../ui/card";
import classes from "./models.module.css";

/** What it descends from, oldest first, and itself. */
export function Lineage({ model }: { model: ModelDetail }) {
  return (
    <ol className={classes.lineage}>
      {[...model.lineage, { name: model.name, strategy: model.strategy, job_id: model.job_id }].map(
        (each, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a name may come twice, and the order is what it is
          <li key={at} className={classes.ancestor} data-last={at === model.lineage.length || undefined}>
            {each.strategy ? (
              <Tag kind="accent">{each.strategy}</Tag>
            ) : (
              <Tag>{text.models.lineage.start}</Tag>
            )}
            <strong>{each.name}</strong>
            {each.job_id && (
              <small>
                <Link
                  to="/runs/$jobId"
                  params={{ jobId: each.job_id }}
                  aria-label={text.models.lineage.runOf(each.name)}
                >
                  {text.models.lineage.run}
                </Link>
              </small>
            )}
          </li>
        ),
      )}
    </ol>
  );
}
