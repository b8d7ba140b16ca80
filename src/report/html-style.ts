import { allColours, type Colour } from "./palette.js";

const variables = (shade: (colour: Colour) => string): string =>
  allColours.map((colour) => `--${colour.name}:${shade(colour)}`).join(";");

const light = `${variables((colour) => colour.light)};--good:#116329;--bad:#a40e26;--notice:#fff8e5;--notice-rule:#c9980a`;
const dark = `${variables((colour) => colour.dark)};--good:#6bd68a;--bad:#ff8d8d;--notice:#2b2411;--notice-rule:#b58a1b`;

/** The page's one style sheet: light by default and on paper, dark where the reader asked for it. */
export const style = `
:root{color-scheme:light dark;${light}}
@media screen and (prefers-color-scheme:dark){:root{${dark}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1160px;margin:0 auto;padding:40px 20px 64px}
h1,h2{font-family:Charter,"Bitstream Charter","Iowan Old Style",Georgia,Cambria,serif;font-weight:700;line-height:1.2;overflow-wrap:anywhere}
h1{font-size:clamp(1.7rem,4.5vw,2.5rem);margin:4px 0 16px}
h2{font-size:1.45rem;margin:0 0 10px}
h3{font-size:1rem;margin:28px 0 8px}
p,ul{max-width:70ch;margin:0 0 14px;overflow-wrap:anywhere}
.kicker{font-size:.82rem;letter-spacing:.04em;color:var(--muted);margin:0}
.lead{font-size:1.15rem;line-height:1.5}
.note{font-size:.875rem;color:var(--muted)}
.notice{border-left:4px solid var(--notice-rule);background:var(--notice);padding:10px 14px;max-width:none}
section{border-top:1px solid var(--rule);margin-top:44px;padding-top:20px}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr));gap:24px 32px;margin:8px 0 16px}
figure{margin:0;min-width:0}
.chart{max-width:480px}
figcaption{font-weight:600;font-size:.95rem;margin-bottom:6px;overflow-wrap:anywhere}
svg{display:block;width:100%;height:auto}
canvas{display:none;width:100%;height:auto;aspect-ratio:400/320;touch-action:pan-y;cursor:grab}
.turns canvas{display:block}.turns svg{display:none}
canvas:focus-visible{outline:2px solid var(--row-1);outline-offset:2px}
.scroll{overflow-x:auto;margin:16px 0 20px}
.scroll:focus-visible,summary:focus-visible{outline:2px solid var(--row-1);outline-offset:2px}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums lining-nums;min-width:min(100%,480px)}
caption{text-align:left;font-weight:600;font-size:.95rem;padding:0 0 6px}
caption span{display:inline-block;position:sticky;left:0;max-width:calc(100vw - 40px)}
th,td{padding:7px 16px 7px 0;text-align:left;vertical-align:top}
th:last-child,td:last-child{padding-right:0}
thead th{vertical-align:bottom;font-weight:500;font-size:.82rem;line-height:1.3;color:var(--muted);border-bottom:1.5px solid var(--rule);max-width:8.2rem;min-width:4.2rem}
.group{text-align:center;border-bottom:1px solid var(--grid);max-width:none}
tbody th{font-weight:600;max-width:16rem;overflow-wrap:break-word;position:sticky;left:0;background:var(--paper)}
tbody tr{border-bottom:1px solid var(--grid)}
.num{text-align:right;white-space:nowrap}
thead .num{white-space:normal}
td.text{overflow-wrap:anywhere;max-width:44rem;min-width:7rem}
.short{white-space:nowrap}
.swatch{display:inline-block;width:.65em;height:.65em;margin-right:.5em;border-radius:50%}
details{margin:0 0 14px;font-size:.9rem}
summary{cursor:pointer;color:var(--muted);padding:4px 0;overflow-wrap:anywhere}
pre{overflow-x:auto;background:var(--band);padding:12px 14px;font-size:.8rem;line-height:1.45;margin:6px 0 0}
.images{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr));gap:28px 32px;margin:12px 0}
.triple{display:grid;grid-template-columns:repeat(3,1fr);gap:6px}
.triple span{display:block;font-size:.75rem;color:var(--muted);margin-top:3px}
.triple img,.blank{display:block;width:100%;height:auto;aspect-ratio:1;image-rendering:pixelated;background:var(--band)}
.blank{display:grid;place-items:center;font-size:.75rem;color:var(--muted);text-align:center;padding:4px}
.images table{width:100%;min-width:0;table-layout:fixed;font-size:.82rem;margin-top:8px}
.images th,.images td{padding:3px 8px 3px 0}
.images thead th{font-size:.75rem}
.images tbody th,.images thead th{min-width:0;max-width:none;overflow-wrap:anywhere}.images td{overflow-wrap:anywhere}
.right{color:var(--good)}.wrong{color:var(--bad)}
footer{margin-top:48px;font-size:.82rem;color:var(--muted)}
.paper,.turn{display:none}
@media screen{.charts:has(.turns)+.turn{display:block}}
@media (max-width:520px){main{padding-top:24px}section{margin-top:32px}}
@media screen and (max-width:520px){td.text:last-child{min-width:60vw}tr:has(>td.text:last-child)>th{white-space:normal;min-width:6.5rem;max-width:7.5rem}}
@media print{.turns canvas{display:none}.turns svg{display:block}main{max-width:none;padding:0}figure,table,tr,p{break-inside:avoid}h2,h3,.note,caption,thead{break-after:avoid}details,.screen{display:none}.paper{display:inline}.scroll{overflow:visible}body{font-size:11pt}table{font-size:8pt;min-width:0}th,td{padding-right:8px}thead th{min-width:0;font-size:7.5pt}tbody th{position:static;max-width:9rem}td.text{min-width:0}.charts{grid-template-columns:repeat(2,1fr)}}
`;
