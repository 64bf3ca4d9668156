import { Button, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useRef, useState } from "react";
import type { ImportRequest } from "../../api/schema";
import { text } from "../../text";
import { Card } from "../../ui/card";
import { Refused } from "../../ui/refused";
import { arrivals } from "./arrivals";
import classes from "./elsewhere.module.css";
import form from "./form.module.css";
import { importing } from "./importing";
import { changed } from "./queries";

const words = text.datasets.elsewhere;
const PLACES = ["hub", "path"] as const;
const FIELDS = {
  hub: ["hub", "config", "split", "revision", "name"],
  path: ["path", "name"],
} as const;

type Place = (typeof PLACES)[number];
type Typed = Partial<Record<(typeof FIELDS)[Place][number], string>>;

/** Data that the server fetches by itself: from the hub, or from its own machine. */
export function Elsewhere() {
  const [open, setOpen] = useState<Place | null>(null);
  const opener = useRef<HTMLButtonElement>(null);
  return (
    <>
      <div className={classes.places}>
        {words.or}
        {PLACES.map((place) => (
          <Button
            key={place}
            ref={open === place ? opener : undefined}
            size="xs"
            variant="default"
            aria-expanded={open === place}
            onClick={() => setOpen(open === place ? null : place)}
          >
            {words.places[place]}
          </Button>
        ))}
      </div>
      {open && (
        <ImportForm
          key={open}
          place={open}
          done={() => {
            // The form takes the focus with it.
            opener.current?.focus();
            setOpen(null);
          }}
        />
      )}
    </>
  );
}

function ImportForm({ place, done }: { place: Place; done: () => void }) {
  const queries = useQueryClient();
  const [typed, setTyped] = useState<Typed>({});
  const begin = useMutation({
    mutationFn: async () => {
      const source = importing(requested(typed));
      return { source, operation: await source.read({}) };
    },
    onSuccess: ({ source, operation }) => {
      arrivals.follow(operation, source, (result) => changed(queries, result.filename));
      done();
    },
  });

  function submit(event: FormEvent): void {
    event.preventDefault();
    begin.mutate();
  }

  return (
    <Card>
      <p>{words.about[place]}</p>
      <form onSubmit={submit} className={form.form} aria-label={words.places[place]}>
        {FIELDS[place].map((field) => (
          <TextInput
            key={field}
            label={words.fields[field]}
            placeholder={words.hints[field]}
            required={field === place}
            value={typed[field] ?? ""}
            onChange={({ target }) => setTyped({ ...typed, [field]: target.value })}
          />
        ))}
        <Button type="submit" loading={begin.isPending}>
          {words.bring}
        </Button>
      </form>
      {begin.error && <Refused error={begin.error} />}
    </Card>
  );
}

/** What was left empty is left to the server. */
function requested(typed: Typed): ImportRequest {
  const filled = Object.entries(typed).map(([field, value]) => [field, value.trim()] as const);
  return Object.fromEntries(filled.filter(([, value]) => value !== ""));
}
