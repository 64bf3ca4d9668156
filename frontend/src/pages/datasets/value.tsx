import classes from "./value.module.css";

const LONG = 240;

/** What stands in a row or in one of its fields. Of a row that is an object, `only` some fields. */
export function Value({ value, only }: { value: unknown; only?: readonly string[] }) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return <Folded value={value} />;
  const fields = Object.entries(value).filter(([name]) => !only?.length || only.includes(name));
  return (
    <dl className={classes.fields}>
      {fields.map(([name, each]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <Folded value={each} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** A text as it is, all else as JSON has it; folded until it is asked for where it is long. */
export function Folded({ value }: { value: unknown }) {
  const whole = typeof value === "string" ? value : JSON.stringify(value, null, 1);
  if (whole.length <= LONG) return <div className={classes.value}>{whole}</div>;
  return (
    <details className={classes.value}>
      <summary>
        <span>{whole.slice(0, LONG)}…</span>
      </summary>
      {whole}
    </details>
  );
}
