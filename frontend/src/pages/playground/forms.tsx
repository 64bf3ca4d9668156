import { Button, Textarea } from "@mantine/core";
import { type FormEvent, type KeyboardEvent, type ReactNode, useRef, useState } from "react";
import { text } from "../../text";
import { keep, recall } from "../../ui/kept";
import type { Question } from "./conversation";
import classes from "./playground.module.css";
import type { Task } from "./sides";

export interface FormProps {
  name: string;
  task: Task;
  busy: boolean;
  ask: (question: Question) => void;
  stop: () => void;
  again?: () => void;
  clear?: () => void;
}

const words = text.playground.ask;

/** One field: a question of a chat, or a text to summarise. */
export function PromptForm(props: FormProps) {
  const [prompt, setPrompt] = useState("");
  const summary = props.task === "summarization";

  function send(): void {
    if (prompt.trim() === "" || props.busy) return;
    props.ask({ prompt, context: null });
    setPrompt("");
  }

  return (
    <AskForm
      {...props}
      send={send}
      ready={prompt.trim() !== ""}
      action={summary ? words.summarize : words.send}
    >
      <Textarea
        label={summary ? words.text : words.chat}
        description={summary ? words.long : words.hint}
        value={prompt}
        autosize
        autoFocus
        minRows={summary ? 5 : 1}
        maxRows={summary ? 14 : 8}
        onChange={(event) => setPrompt(event.target.value)}
        onKeyDown={(event) => sends(event, summary) && stopAnd(event, send)}
      />
    </AskForm>
  );
}

/** A question about a text, which stays for the next question. */
export function ContextForm(props: FormProps) {
  const kept = `context:${props.name}`;
  const [context, setContext] = useState(() => String(recall(kept) ?? ""));
  const [prompt, setPrompt] = useState("");
  const ready = prompt.trim() !== "" && context.trim() !== "";

  function send(): void {
    if (!ready || props.busy) return;
    keep(kept, context);
    props.ask({ prompt, context });
    setPrompt("");
  }

  return (
    <AskForm {...props} send={send} ready={ready} action={words.find}>
      <Textarea
        label={words.context}
        value={context}
        autosize
        autoFocus
        minRows={4}
        maxRows={10}
        onChange={(event) => setContext(event.target.value)}
        onKeyDown={(event) => sends(event, true) && stopAnd(event, send)}
      />
      <Textarea
        label={words.question}
        description={words.hint}
        value={prompt}
        autosize
        minRows={1}
        maxRows={4}
        onChange={(event) => setPrompt(event.target.value)}
        onKeyDown={(event) => sends(event, false) && stopAnd(event, send)}
      />
    </AskForm>
  );
}

interface AskFormProps extends FormProps {
  send: () => void;
  ready: boolean;
  action: string;
  children: ReactNode;
}

function AskForm({ send, ready, action, busy, stop, again, clear, children }: AskFormProps) {
  // The one button that is always there: who pressed one that goes would else stand nowhere.
  const main = useRef<HTMLButtonElement>(null);

  function submit(event: FormEvent): void {
    event.preventDefault();
    send();
  }

  function instead(act: () => void): void {
    main.current?.focus();
    act();
  }

  return (
    <form onSubmit={submit} className={classes.form}>
      {children}
      <div className={classes.buttons}>
        {!busy && clear && (
          <Button type="button" variant="subtle" color="gray" onClick={() => instead(clear)}>
            {words.clear}
          </Button>
        )}
        {!busy && again && (
          <Button type="button" variant="default" onClick={() => instead(again)}>
            {words.again}
          </Button>
        )}
        <Button
          ref={main}
          type={busy ? "button" : "submit"}
          variant={busy ? "default" : "filled"}
          aria-disabled={!busy && !ready}
          data-disabled={(!busy && !ready) || undefined}
          onClick={busy ? stop : undefined}
        >
          {busy ? words.stop : action}
        </Button>
      </div>
    </form>
  );
}

/** Whether a key sends: Enter, but not while an input method composes a word; in long texts with Ctrl or ⌘. */
function sends({ key, shiftKey, ctrlKey, metaKey, nativeEvent }: KeyboardEvent, long: boolean): boolean {
  return key === "Enter" && !nativeEvent.isComposing && (long ? ctrlKey || metaKey : !shiftKey);
}

function stopAnd(event: KeyboardEvent, act: () => void): void {
  event.preventDefault();
  act();
}
