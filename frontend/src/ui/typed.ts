import { useEffect, useRef, useState } from "react";

/** Until what is typed is written into the address. */
const WRITE_MS = 200;

/**
 * What is typed, as it is typed; `write` puts it into the page's address when the typing rests. An address that was not
 * written here (back, forward, a link) is taken up. `same` must stay the same between renders.
 */
export function useTyped<Value>(
  address: Value,
  write: (value: Value) => void,
  same: (one: Value, other: Value) => boolean = Object.is,
): [Value, (value: Value) => void] {
  const [typed, setTyped] = useState(address);
  // Addresses change some time after they were written: meanwhile more may have been typed.
  const written = useRef([address]);
  const latest = useRef(write);
  latest.current = write;

  useEffect(() => {
    const at = written.current.findIndex((each) => same(each, address));
    if (at >= 0) {
      written.current = written.current.slice(at);
    } else {
      written.current = [address];
      setTyped(address);
    }
  }, [address, same]);

  useEffect(() => {
    if (same(typed, written.current.at(-1) as Value)) return;
    const timer = setTimeout(() => {
      written.current.push(typed);
      latest.current(typed);
    }, WRITE_MS);
    return () => clearTimeout(timer);
  }, [typed, same]);

  return [typed, setTyped];
}
