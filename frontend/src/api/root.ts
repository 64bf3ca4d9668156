/** The path under which the server is shown, without a slash at its end: "" or "/studio". */
export const root = (document.querySelector<HTMLMetaElement>('meta[name="root"]')?.content ?? "/").replace(
  /\.?\/$/,
  "",
);
