import { memo, useEffect, useRef } from "react";
import type { GenerateReply } from "../../api/schema";
import { text } from "../../text";
import { duration, percent } from "../../ui/format";
import { type Answer, isOpen } from "./answer";
import classes from "./playground.module.css";
import { split } from "./span";
import type { Turn } from "./turns";

const words = text.playground;

/** A question and what every side says to it. */
export const TurnView = memo(function TurnView({ turn }: { turn: Turn }) {
  return (
    <li className={classes.turn}>
      <p className={classes.question}>
        <span className={classes.who}>{words.you}</span>
        {turn.prompt}
      </p>
      <div className={classes.answers}>
        {turn.answers.map((answer) => (
          <article
            key={answer.side}
            className={classes.answer}
            aria-label={answer.label}
            aria-busy={isOpen(answer)}
          >
            <h2 className={classes.who}>{answer.label}</h2>
            <Said answer={answer} context={turn.context} />
          </article>
        ))}
      </div>
    </li>
  );
});

function Said({ answer, context }: { answer: Answer; context: string | null }) {
  const { reply } = answer;
  return (
    <>
      {context !== null && reply ? (
        <Found reply={reply} context={context} />
      ) : (
        answer.text !== "" && <p className={classes.text}>{answer.text}</p>
      )}
      {answer.refusal && (
        <div role="alert" className={classes.refusal}>
          <strong>{answer.refusal.error}</strong>
          <p>{answer.refusal.detail}</p>
        </div>
      )}
      <p className={classes.foot} role="status">
        {footOf(answer)}
      </p>
    </>
  );
}

/** How far the answer is, or what it took. */
function footOf({ phase, position, text: said, reply }: Answer): string {
  if (reply !== null) {
    if (reply.score !== null) return words.score(percent(reply.score));
    if (said === "") return words.nothing;
    const { tokens_generated: tokens, generation_time_ms: milliseconds } = reply;
    const rate = milliseconds > 0 ? Math.round((tokens * 1000) / milliseconds).toString() : "–";
    const time = milliseconds < 1000 ? `${milliseconds} ms` : duration(milliseconds / 1000);
    return [words.figures(tokens, time, rate), words.ended[reply.finish_reason]].filter(Boolean).join(". ");
  }
  switch (phase) {
    case "waiting":
      return words.phases.waiting(position);
    case "answering":
      return said === "" ? words.phases.answering : "";
    case "asked":
    case "loading":
    case "stopped":
      return words.phases[phase];
    case "done":
    case "refused":
      return "";
  }
}

/** The answer where it stands in the text that it was looked for in. */
function Found({ reply, context }: { reply: GenerateReply; context: string }) {
  const box = useRef<HTMLDivElement>(null);
  const mark = useRef<HTMLElement>(null);

  useEffect(() => {
    if (box.current && mark.current) {
      box.current.scrollTop = mark.current.offsetTop - box.current.clientHeight / 2;
    }
  }, []);

  if (reply.answer_start === null) return <p className={classes.text}>{words.noAnswer}</p>;
  const [before, answer, after] = split(context, reply.answer_start, reply.generated_text);
  return (
    <>
      <p className={classes.text}>
        <strong>{answer}</strong>
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard */}
      <section className={classes.context} ref={box} tabIndex={0} aria-label={words.ask.context}>
        {before}
        <mark ref={mark}>{answer}</mark>
        {after}
      </section>
    </>
  );
}
