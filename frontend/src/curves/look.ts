/** How charts are drawn, as the page's address has it. */
export interface ChartLook {
  log?: boolean;
  /** The weight of what came before. */
  smooth?: number;
}

export function chartLookOf(given: Record<string, unknown>): ChartLook {
  return {
    log: given.log === true || undefined,
    smooth: typeof given.smooth === "number" ? given.smooth : undefined,
  };
}
