import { Button, VisuallyHidden } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, body } from "../../api/client";
import type { CleanRequest, Stored } from "../../api/schema";
import { say, tell } from "../../shell/notices";
import { text } from "../../text";
import { Ask } from "../../ui/ask";
import { megabytes } from "../../ui/format";
import { Table } from "../../ui/table";
import { system } from "./queries";
import classes from "./system.module.css";

const words = text.system.storage;
const named = (kind: string) => words.kinds[kind] ?? kind;

type Kind = CleanRequest["kinds"][number];

/** What takes room, by kind, and what of it can go. */
export function Storage({ storage, home }: { storage: readonly Stored[]; home: string }) {
  const queries = useQueryClient();
  const [asked, setAsked] = useState<Stored | null>(null);
  const clean = useMutation({
    // The server counts as freeable only what it can be told to clean.
    mutationFn: ({ kind }: Stored) =>
      body(api.POST("/api/system/clean", { body: { kinds: [kind as Kind] } })),
    onSuccess: ({ size_mb }) => {
      setAsked(null);
      say(words.freed(megabytes(size_mb)));
    },
    onError: tell,
    onSettled: () => queries.invalidateQueries(system),
  });
  return (
    <>
      <p className={classes.about}>{words.about(home)}</p>
      <Table label={words.title}>
        <thead>
          <tr>
            <th scope="col">{words.kind}</th>
            <th scope="col" data-number>
              {words.size}
            </th>
            <th scope="col" data-number>
              {words.free}
            </th>
            <th scope="col">
              <VisuallyHidden>{words.clean}</VisuallyHidden>
            </th>
          </tr>
        </thead>
        <tbody>
          {storage.map((each) => (
            <tr key={each.kind}>
              <th scope="row" className={classes.kind}>
                {named(each.kind)}
                <span className={classes.note}>{each.about}</span>
              </th>
              <td data-number>{megabytes(each.size_mb)}</td>
              <td data-number>{each.freeable_mb > 0 ? megabytes(each.freeable_mb) : "–"}</td>
              <td>
                {each.freeable_mb > 0 && (
                  <Button
                    size="compact-sm"
                    variant="default"
                    aria-label={words.cleanOf(named(each.kind))}
                    onClick={() => setAsked(each)}
                  >
                    {words.clean}
                  </Button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </Table>
      <Ask
        opened={asked !== null}
        title={words.cleanOf(asked ? named(asked.kind) : "")}
        action={words.clean}
        busy={clean.isPending}
        onClose={() => setAsked(null)}
        onConfirm={() => asked && clean.mutate(asked)}
      >
        {asked && (
          <>
            <p>{asked.about}</p>
            <p>{words.ask(megabytes(asked.freeable_mb))}</p>
          </>
        )}
      </Ask>
    </>
  );
}
