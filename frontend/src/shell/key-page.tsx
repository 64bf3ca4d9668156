import { Button, PasswordInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { keepKey, key } from "../api/key";
import { text } from "../text";
import { Page } from "../ui/page";
import classes from "./key-page.module.css";

/** Asks for the server's key, in the place of whatever page was asked for. */
export function KeyPage() {
  const queries = useQueryClient();
  const [given, setGiven] = useState("");
  const refused = queries.getQueryCache().find({ queryKey: ["info"] })?.state.error;

  function open(event: FormEvent): void {
    event.preventDefault();
    keepKey(given.trim());
    // All that was refused, of whichever page, is asked for anew.
    location.reload();
  }

  return (
    <Page title={text.shell.key.title} narrow>
      <p>
        {text.shell.key.about} <code className={classes.command}>{text.shell.key.command}</code>.
      </p>
      <form onSubmit={open} className={classes.form}>
        <PasswordInput
          label={text.shell.key.label}
          description={text.shell.key.kept}
          error={key() ? refused?.message : undefined}
          autoComplete="off"
          required
          autoFocus
          value={given}
          onChange={(event) => setGiven(event.target.value)}
        />
        <Button type="submit" disabled={given.trim() === ""}>
          {text.shell.key.open}
        </Button>
      </form>
    </Page>
  );
}
