import classes from "./value.module.css";

/** What stands in a row or in one of its fields. Of a row that is an object, `only` some fields. */
export function Value({ value, only }: { value: unknown; only?: readonly string[] }) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return <div className={classes.value}>{shown(value)}</div>;
  }
  const fields = Object.entries(value).filter(([name]) => !only?.length || only.includes(name));
  return (
    <dl className={classes.fields}>
      {fields.map(([name, each]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd className={classes.value}>{shown(each)}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A text as it is; all else as JSON has it. */
export function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 1);
}
