/** How charts are drawn, as the page's address has it. */
export interface ChartLook {
  log?: boolean;
  /** The weight of what came before, from 0 to below 1. */
  smooth?: number;
}

export function chartLookOf(given: Record<string, unknown>): ChartLook {
  const { log, smooth } = given;
  return {
    log: log === true || undefined,
    smooth: typeof smooth === "number" && smooth > 0 && smooth < 1 ? smooth : undefined,
  };
}
