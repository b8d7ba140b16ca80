import { ramp } from "./palette.js";
import { firstView, halfHeight, placedMarks, type Surface, surfaceSize } from "./surface.js";

/** A surface's numbers as attributes for the script: digits, signs and separators alone. Of a mark, where it is and whether it has a name. */
export function surfaceAttributes(surface: Surface): string {
  const { x, y, z, scale } = surface;
  const list = (values: readonly (number | null)[]) =>
    values.map((value) => (value === null ? "" : Number(value.toPrecision(6)))).join(",");
  const marks = placedMarks(surface).map(({ point, name }) => list([...point, name === "" ? 0 : 1]));
  const rings = marks.length === 0 ? "" : ` data-marks="${marks.join(";")}"`;
  return `data-x="${list(x.at)}" data-y="${list(y.at)}" data-z="${z.map(list).join(";")}" data-scale="${scale.min},${scale.max}"${rings}`;
}

/**
 * The page's one script, only where there are surfaces: it draws each on a canvas as `surface.ts` does, from the side that the reader
 * drags to. All turn together, so that they can be compared. It reads numbers and colours of the page and nothing else.
 */
export const surfaceScript = `
(() => {
  const view = { turn: ${firstView.turn}, tilt: ${firstView.tilt} };
  const [W, H, Z, N] = [${surfaceSize.width}, ${surfaceSize.height}, ${halfHeight}, ${ramp.length}];
  const list = (text) => text.split(",").map((part) => (part === "" ? null : Number(part)));
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const project = ([x, y, z]) => {
    const across = x * Math.cos(view.turn) - y * Math.sin(view.turn);
    const deep = x * Math.sin(view.turn) + y * Math.cos(view.turn);
    const up = z * Math.cos(view.tilt) + deep * Math.sin(view.tilt);
    return [W / 2 + across * 118, H / 2 - up * 118, z * Math.sin(view.tilt) - deep * Math.cos(view.tilt)];
  };
  const surfaces = [...document.querySelectorAll("figure[data-z]")].map((figure) => {
    const { x, y, z, scale, marks = "" } = figure.dataset;
    const [min, max] = list(scale);
    const share = (value, lo, hi) => Math.min(1, Math.max(0, (value - lo) / (hi - lo)));
    const [xs, ys, zs] = [list(x), list(y), z.split(";").map(list)];
    const place = (values, i) => 2 * share(values[i], values[0], values[values.length - 1]) - 1;
    const patches = [];
    for (let r = 0; r + 1 < ys.length; r++) {
      for (let c = 0; c + 1 < xs.length; c++) {
        const around = [[r, c], [r, c + 1], [r + 1, c + 1], [r + 1, c]];
        if (around.some(([i, j]) => zs[i][j] === null)) continue;
        const levels = around.map(([i, j]) => share(zs[i][j], min, max));
        const corners = around.map(([i, j], k) => [place(xs, j), place(ys, i), Z * (2 * levels[k] - 1)]);
        patches.push({ corners, step: Math.min(N - 1, Math.floor(levels.reduce((a, b) => a + b) / 4 * N)) });
      }
    }
    const canvas = document.createElement("canvas");
    const svg = figure.querySelector("svg");
    const names = [...svg.querySelectorAll("text")].map((text) => text.textContent);
    const marked = names.slice(3);
    const rings = marks.split(";").filter(Boolean).map(list).map(([a, b, c, named]) => ({ point: [a, b, c], name: named ? marked.shift() : "" }));
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", svg.getAttribute("aria-label") + " Arrow keys turn it.");
    svg.after(canvas);
    figure.classList.add("turns");
    return { canvas, patches, names, rings };
  });
  const draw = ({ canvas, patches, names, rings }) => {
    const dots = Math.max(1, devicePixelRatio);
    canvas.width = W * dots;
    canvas.height = H * dots;
    const pen = canvas.getContext("2d");
    pen.scale(dots, dots);
    const path = (points) => {
      pen.beginPath();
      points.forEach((point, i) => {
        const [px, py] = project(point);
        if (i === 0) pen.moveTo(px, py);
        else pen.lineTo(px, py);
      });
    };
    pen.strokeStyle = colour("rule");
    path([[-1, -1, -Z], [1, -1, -Z], [1, 1, -Z], [-1, 1, -Z], [-1, -1, -Z]]);
    pen.stroke();
    path([[-1, 1, -Z], [-1, 1, Z]]);
    pen.stroke();
    const shades = Array.from({ length: N }, (_, i) => colour("ramp-" + i));
    const near = ({ corners }) => corners.reduce((sum, corner) => sum + project(corner)[2], 0);
    pen.strokeStyle = colour("paper");
    pen.lineWidth = 0.4;
    for (const { corners, step } of patches.map((p) => [near(p), p]).sort((a, b) => a[0] - b[0]).map((p) => p[1])) {
      path(corners);
      pen.closePath();
      pen.fillStyle = shades[step];
      pen.fill();
      pen.stroke();
    }
    pen.fillStyle = colour("muted");
    pen.font = "11px system-ui, sans-serif";
    const word = (point, text, dy) => {
      const [px, py] = project(point);
      const room = pen.measureText(text).width;
      pen.fillText(text, Math.min(W - room - 2, Math.max(2, px - room / 2)), Math.min(H - 4, py + dy));
    };
    for (const { point, name } of rings) {
      const [px, py] = project(point);
      pen.beginPath();
      pen.arc(px, py, 5, 0, 7);
      for (const [ink, thick] of [["paper", 3], ["ink", 1]]) {
        pen.strokeStyle = colour(ink);
        pen.lineWidth = thick;
        pen.stroke();
      }
      if (name === "") continue;
      const room = pen.measureText(name).width + 8;
      const left = px + 9 + room <= W ? px + 9 : px - 9 - room;
      pen.fillStyle = colour("paper");
      pen.fillRect(left, py - 8, room, 16);
      pen.fillStyle = colour("muted");
      pen.fillText(name, left + 4, py + 4);
    }
    [[[-1, 1, Z], -6], [[0, -1.4, -Z], 12], [[1.4, 0, -Z], 12]].forEach(([point, dy], i) => word(point, names[i], dy));
  };
  const all = () => surfaces.forEach(draw);
  const turn = (by, up) => {
    view.turn += by;
    view.tilt = Math.min(1.5, Math.max(0, view.tilt + up));
    requestAnimationFrame(all);
  };
  const keys = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
  for (const { canvas } of surfaces) {
    canvas.addEventListener("keydown", (event) => {
      if (!(event.key in keys)) return;
      event.preventDefault();
      turn(...keys[event.key]);
    });
    canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons === 1) turn(event.movementX * 0.01, event.pointerType === "touch" ? 0 : event.movementY * 0.01);
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  all();
})();
`;
