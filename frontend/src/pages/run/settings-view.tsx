import type { JobDetail } from "../../api/schema";
import { text } from "../../text";
import { Table } from "../../ui/table";
import { setting } from "../runs/setting";

/** The training's configuration, as it was resolved. */
export function SettingsView({ job }: { job: JobDetail }) {
  const words = text.run.settings;
  return (
    <>
      <p>{words.detail}</p>
      <Table label={text.run.views.settings}>
        <thead>
          <tr>
            <th scope="col">{words.name}</th>
            <th scope="col">{words.value}</th>
          </tr>
        </thead>
        <tbody>
          {Object.entries(job.config)
            .filter(([, value]) => value !== null)
            .map(([name, value]) => (
              <tr key={name}>
                <th scope="row">
                  <code>{name}</code>
                </th>
                <td>{setting(value)}</td>
              </tr>
            ))}
        </tbody>
      </Table>
    </>
  );
}
