import { Option } from "@commander-js/extra-typings";
import { percent } from "../format.js";
import type { ExportFormat, ExportOptions, ExportResult } from "../jobs/export.js";
import { type Cli, command, printJson } from "./context.js";

/** `s2ap export`: networks for other programs. */
export function exportCommand(cli: Cli) {
  return command("export", "Write a network as a state_dict that plain PyTorch loads strictly, masks multiplied in.", [
    "s2ap export runs/quickstart/hydra-s2ap --out weights.pt",
    "s2ap export model.safetensors --format pt --out weights.bin --json",
    "s2ap export runs/quickstart/hydra-s2ap --out weights.safetensors",
  ])
    .argument("<model>", "a run folder, an imported network, or a safetensors file of s2ap")
    .requiredOption("--out <file>", "where to")
    .addOption(new Option("--format <format>", "default what --out ends in").choices(["pt", "safetensors"] as const))
    .option("--force", "overwrite what is there")
    .action(async (model, { json, plugin = [], out, force, format }) => {
      const options: ExportOptions = { model, out, force, format: format as ExportFormat | undefined };
      const result = (await cli.work("export", options, { plugins: plugin })) as ExportResult;
      if (json === true) return printJson(cli.terminal, result);
      return cli.terminal.out(exportText(result));
    });
}

function exportText({ out, format, model, tensors, sparsity }: ExportResult): string {
  const { arch, normalize } = model as {
    readonly arch: string;
    readonly normalize?: { readonly mean: number[]; readonly std: number[] };
  };
  const path = JSON.stringify(out);
  const load = format === "pt" ? `torch.load(${path}, weights_only=True)` : `safetensors.torch.load_file(${path})`;
  return [
    `${out}: ${arch}, ${tensors} tensors, ${percent(sparsity)} of the prunable weights are zero`,
    `in Python: network.load_state_dict(${load})`,
    ...(normalize === undefined
      ? []
      : [
          `the network normalises its images first, which no state_dict says: (x - [${normalize.mean}]) / [${normalize.std}]`,
        ]),
  ].join("\n");
}
