import type { EChartsOption } from "echarts";
import { useEffect, useRef, useState } from "preact/hooks";
import { Legend } from "./legend.js";
import type { Curve } from "./line-option.js";

interface ChartProps {
  readonly title: string;
  /** What a reader who does not see the chart is told. */
  readonly summary: string;
  readonly option: EChartsOption;
  readonly height?: number;
  /** Curves to be named above the chart. */
  readonly curves?: readonly Curve[];
}

interface Drawn {
  setOption(option: EChartsOption, how: { readonly notMerge: boolean }): void;
  resize(): void;
  dispose(): void;
}

/** A chart on a canvas, with its title and a sentence that says the same. */
export function Chart({ title, summary, option, height = 240, curves }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const drawn = useRef<Drawn | undefined>(undefined);
  const latest = useRef(option);
  latest.current = option;
  const [problem, setProblem] = useState(false);

  useEffect(() => {
    let gone = false;
    const observer = new ResizeObserver(() => drawn.current?.resize());
    import("./echarts.js").then(
      ({ init }) => {
        if (gone || box.current === null) return;
        drawn.current = init(box.current, null, { renderer: "canvas" });
        drawn.current.setOption(latest.current, { notMerge: true });
        observer.observe(box.current);
      },
      // The server went away before the first chart was drawn.
      () => setProblem(true),
    );
    return () => {
      gone = true;
      observer.disconnect();
      drawn.current?.dispose();
      drawn.current = undefined;
    };
  }, []);
  useEffect(() => drawn.current?.setOption(option, { notMerge: true }), [option]);

  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      {curves === undefined ? null : <Legend curves={curves} />}
      {problem ? <p class="note">{summary} The chart could not be loaded: reload the page.</p> : null}
      <div ref={box} role="img" aria-label={`${title}. ${summary}`} style={{ height: `${height}px` }} />
    </figure>
  );
}
