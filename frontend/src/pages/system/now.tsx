import { Progress } from "@mantine/core";
import type { Hardware, Use } from "../../api/schema";
import { text } from "../../text";
import { megabytes } from "../../ui/format";
import classes from "./system.module.css";

const words = text.system.now;

/** How busy processors, memory, disk and accelerators are. */
export function Now({ hardware, use }: { hardware: Hardware; use: Use }) {
  return (
    <>
      <p className={classes.about}>
        {hardware.system}. {words.trainsOn[hardware.device]}
      </p>
      <div className={classes.meters}>
        <Meter
          label={words.cpu}
          share={use.cpu_percent / 100}
          told={words.busy(use.cpu_percent)}
          note={words.cores(hardware.threads)}
        />
        <Meter
          label={words.memory}
          share={use.memory_used_gb / use.memory_gb}
          told={words.of(megabytes(use.memory_used_gb * 1000), megabytes(use.memory_gb * 1000))}
        />
        <Meter
          label={words.disk}
          share={1 - use.disk_free_gb / use.disk_gb}
          told={words.free(megabytes(use.disk_free_gb * 1000), megabytes(use.disk_gb * 1000))}
        />
        {use.gpus.map((gpu, number) => (
          <Meter
            // biome-ignore lint/suspicious/noArrayIndexKey: two of a kind have one name, and their order stays
            key={number}
            label={words.gpu(gpu.name)}
            share={gpu.memory_used_gb / gpu.memory_gb}
            told={words.of(megabytes(gpu.memory_used_gb * 1000), megabytes(gpu.memory_gb * 1000))}
            note={[
              gpu.busy_percent === null ? words.notTold : words.busy(gpu.busy_percent),
              gpu.temperature_c === null ? "" : words.heat(gpu.temperature_c),
              gpu.power_w === null ? "" : words.power(gpu.power_w),
            ]
              .filter(Boolean)
              .join(" · ")}
          />
        ))}
      </div>
    </>
  );
}

function Meter({ label, share, told, note }: { label: string; share: number; told: string; note?: string }) {
  return (
    <div className={classes.meter}>
      <h3>{label}</h3>
      <strong>{told}</strong>
      <Progress value={100 * share} size="sm" aria-label={label} transitionDuration={300} />
      {note && <span className={classes.note}>{note}</span>}
    </div>
  );
}
