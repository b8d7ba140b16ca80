// Peak resident memory of this process since a chosen moment. Linux keeps the highest value (VmHWM of /proc/self/status) and
// begins anew when 5 is written to /proc/self/clear_refs (proc(5)). Elsewhere only the peak since the process began is known.
import { readFileSync, writeFileSync } from "node:fs";

/** Begins a new measurement; what was the peak before is forgotten, whoever began it. */
export function resetPeakMemory(): void {
  try {
    writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    // Not Linux, or a container that forbids it: the peak is then that of the whole process.
  }
}

/** The most bytes that were resident since the last reset. */
export function peakMemory(): number {
  try {
    const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    if (kilobytes !== undefined) return Number(kilobytes) * 1024;
  } catch {
    // As above.
  }
  return process.resourceUsage().maxRSS * 1024;
}
