import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import type { Word } from "./drawing.js";
import { heatMapSvg } from "./heat-map.js";
import { ramp, rampColour } from "./palette.js";
import {
  drawSurface,
  firstView,
  halfHeight,
  placedMarks,
  project,
  type Surface,
  surfaceSvg,
  turnedRoom,
} from "./surface.js";
import { surfaceAttributes } from "./surface-script.js";

const golden = (name: string) => fileURLToPath(new URL(`../../test/golden/report/${name}`, import.meta.url));

const at = [-1, -0.5, 0, 0.5, 1];
const bowl: Surface = {
  x: { name: "first", at },
  y: { name: "second", at: at.slice(0, 4) },
  z: at.slice(0, 4).map((y) => at.map((x) => x * x + y * y)),
  scale: { min: 0, max: 2 },
  unit: "loss",
};

const ringed: Surface = { ...bowl, marks: [{ x: 0, y: 0, name: "" }] };

describe("surfaceSvg", () => {
  test("is the golden surface", async () => {
    await expect(surfaceSvg(bowl)).toMatchFileSnapshot(golden("surface.svg"));
  });

  test("paints from back to front", () => {
    const tilted = { turn: 0, tilt: 0.5 };
    expect(project([0, 1, 0], tilted).near).toBeLessThan(project([0, -1, 0], tilted).near);
    expect(project([0, 1, 0], tilted).py).toBeLessThan(project([0, -1, 0], tilted).py);
    expect(project([0, 0, 1], tilted).py).toBeLessThan(project([0, 0, 0], tilted).py);
    // A wall in front hides what lies behind it: it is painted last.
    const wall = { ...bowl, z: bowl.z.map((row, r) => row.map(() => (r === 0 ? 2 : 0))) };
    const fills = [...surfaceSvg(wall, tilted).matchAll(/Z" fill="([^"]+)"/g)].map(([, fill]) => fill);
    expect(new Set(fills.slice(-4))).toEqual(new Set([rampColour(0.5).light]));
    expect(new Set(fills.slice(0, 4))).toEqual(new Set([rampColour(0).light]));
  });

  test("leaves out patches with a corner that is not known, and stays on the picture from all sides", () => {
    const patches = (surface: Surface) => surfaceSvg(surface).match(/Z" fill/g)?.length;
    expect(patches(bowl)).toBe(12);
    const gap = bowl.z.map((row, r) => row.map((value, c) => (r === 0 && c === 0 ? null : value)));
    expect(patches({ ...bowl, z: gap })).toBe(11);
    for (const turn of [0, 1, 2, 3, 4, 5, 6]) {
      for (const z of [-0.62, 0.62]) {
        const { px, py } = project([1, 1, z], { turn, tilt: firstView.tilt });
        expect(px).toBeGreaterThanOrEqual(0);
        expect(px).toBeLessThanOrEqual(400);
        expect(py).toBeGreaterThanOrEqual(0);
        expect(py).toBeLessThanOrEqual(320);
      }
    }
  });

  test("names the axes at the near edges, where they can be read, from wherever it is seen", () => {
    const words = (turn: number, tilt: number): Word[] =>
      drawSurface(bowl, { turn, tilt }).shapes.flatMap((shape) => ("text" in shape ? [shape] : []));
    const [height, first, second] = words(0, 0.5);
    expect(height?.text).toBe("loss 0 to 2");
    // From the front, the first axis lies below in the middle and the second at the right; from the right, they have changed places.
    expect([first?.anchor, second?.anchor]).toEqual(["middle", "start"]);
    expect(first?.y).toBeGreaterThan(second?.y as number);
    const [, ahead, aside] = words(-Math.PI / 2, 0.5);
    expect([ahead?.anchor, aside?.anchor]).toEqual(["end", "middle"]);
    for (const tilt of [0, 0.5, 1, 1.5]) {
      for (let turn = -4; turn < 4; turn += 0.1) {
        for (const { text, x, y, anchor } of words(turn, tilt)) {
          const room = 6 * text.length;
          const from = { start: x, middle: x - room / 2, end: x - room }[anchor];
          expect(from).toBeGreaterThanOrEqual(-turnedRoom);
          expect(from + room).toBeLessThanOrEqual(400 + turnedRoom);
          expect(y - 8).toBeGreaterThanOrEqual(-turnedRoom);
          expect(y).toBeLessThanOrEqual(316 + turnedRoom);
        }
      }
    }
  });

  test("rings marks on the surface and names them, from wherever they can be seen", () => {
    const marks = [
      { x: 0, y: 0, name: "mine" },
      { x: 1, y: 0, name: "<other>" },
      { x: 2, y: 0, name: "outside" },
    ];
    for (const svg of [surfaceSvg({ ...bowl, marks }), heatMapSvg({ ...bowl, marks })]) {
      expect(svg).toMatch(/>mine<[\s\S]*>&lt;other&gt;</);
      expect(svg).not.toContain("outside");
      expect(svg.match(/a5 5 /g)).toHaveLength(8);
    }
    // The least of the bowl is at 0, at the foot of the box; at (1, 0) it is halfway.
    expect(placedMarks({ ...bowl, marks }).map(({ point }) => point.map((each) => Number(each.toFixed(6))))).toEqual([
      [0, 0.333333, -halfHeight],
      [1, 0.333333, 0],
    ]);
    expect(surfaceAttributes({ ...bowl, marks })).toContain('data-marks="0,0.333333,-0.62,1;1,0.333333,0,1"');
  });

  test("shows equal values and hostile names", () => {
    const flat = { ...bowl, z: bowl.z.map((row) => row.map(() => 1)), scale: { min: 1, max: 1 } };
    const svg =
      surfaceSvg({ ...flat, x: { name: "<script>", at } }) + heatMapSvg({ ...flat, x: { name: "<script>", at } });
    expect(svg).not.toMatch(/NaN|Infinity|undefined|<script/);
  });
});

describe("heatMapSvg", () => {
  test("is the golden map", async () => {
    await expect(heatMapSvg(ringed)).toMatchFileSnapshot(golden("heat-map.svg"));
  });

  test("has a cell a point, and rings the solution where it is inside", () => {
    expect(heatMapSvg(bowl).match(/V[\d.]+H[\d.]+Z/g)).toHaveLength(20);
    const rings = (svg: string) => svg.match(/a5 5 /g)?.length ?? 0;
    expect(rings(heatMapSvg(ringed))).toBe(4); // two half circles, on paper and in ink
    expect(rings(heatMapSvg({ ...ringed, x: { name: "x", at: [1, 2, 3, 4, 5] } }))).toBe(0);
    expect(rings(heatMapSvg(bowl))).toBe(0);
  });
});

describe("the ramp", () => {
  test("rises in lightness, so that it needs no colours", () => {
    const lightness = ramp.map(({ light }) => {
      const [r = 0, g = 0, b = 0] = [1, 3, 5].map((i) => (Number.parseInt(light.slice(i, i + 2), 16) / 255) ** 2.2);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    });
    for (const [i, value] of lightness.slice(1).entries()) expect(value).toBeGreaterThan(lightness[i] as number);
  });
});
