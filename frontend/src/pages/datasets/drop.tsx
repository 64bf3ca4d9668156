import { Button } from "@mantine/core";
import { IconUpload } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { type DragEvent, useRef, useState } from "react";
import { text } from "../../text";
import { arrivals } from "./arrivals";
import classes from "./drop.module.css";
import { changed } from "./queries";
import { Sending } from "./sending";

const words = text.datasets.drop;

/** Where files are dropped, or chosen. */
export function Drop() {
  const queries = useQueryClient();
  const choice = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);

  function send(files: Iterable<File>): void {
    for (const file of files) {
      arrivals.start(new Sending(file), (result) => changed(queries, result.filename));
    }
  }

  function drop(event: DragEvent): void {
    event.preventDefault();
    setOver(false);
    send(event.dataTransfer.files);
  }

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: who cannot drag has the button in it
    <div
      className={classes.drop}
      data-over={over || undefined}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <IconUpload size={26} stroke={1.6} aria-hidden className={classes.icon} />
      <div>
        <strong>{words.title}</strong> {words.or}{" "}
        <Button size="xs" variant="default" onClick={() => choice.current?.click()}>
          {words.choose}
        </Button>
      </div>
      <input
        ref={choice}
        type="file"
        multiple
        hidden
        aria-label={words.choose}
        onChange={(event) => {
          send(event.target.files ?? []);
          event.target.value = "";
        }}
      />
      <p>
        {words.kinds} {words.again}
      </p>
    </div>
  );
}
