import { useEffect, useState } from "react";

const TICK_MS = 1000;

/** The present in milliseconds: while it `ticks` a second further every second, else the same as before. */
export function useNow(ticks: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!ticks) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }, [ticks]);
  return now;
}
