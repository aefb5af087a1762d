/**
 * The style of every page. Contrasts are at least 4.5 : 1 for text and 3 : 1 for borders and bars in both schemes. No
 * motion, no font and no picture is loaded.
 */
export const style = `
:root{color-scheme:light dark;--back:#fff;--panel:#f5f6f8;--text:#1b1f24;--dim:#57606a;--line:#868e96;--hair:#d5d9de;--link:#0a58ca;--good:#116329;--bad:#b3121d;--warn:#7a4d00;--bar:#2f6fce;--good-back:#e6f4ea;--bad-back:#fdecec;--warn-back:#fff4dc}
@media (prefers-color-scheme:dark){:root{--back:#11151a;--panel:#1a2027;--text:#e6e9ed;--dim:#a3acb6;--line:#7d8792;--hair:#323a44;--link:#7db4ff;--good:#62d384;--bad:#ff8b8b;--warn:#f0b849;--bar:#5c9cf5;--good-back:#12291a;--bad-back:#341a1c;--warn-back:#2e2410}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0 auto;padding:0 1rem 3rem;max-width:76rem;background:var(--back);color:var(--text);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif;overflow-wrap:break-word}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-100vw}
.skip:focus{left:1rem;top:.5rem;padding:.5rem 1rem;background:var(--back);z-index:1}
header{padding:1.25rem 0 0}
.top{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;justify-content:space-between;align-items:baseline}
h1{margin:0;font-size:1.375rem;line-height:1.25}
h2{margin:2.25rem 0 .75rem;padding-top:.75rem;border-top:1px solid var(--hair);font-size:1.125rem}
h3{margin:1.25rem 0 .5rem;font-size:1rem}
p{margin:.5rem 0;max-width:48rem}
.dim,time,caption{color:var(--dim)}
td time,th time{white-space:nowrap}
.verdict{margin:1rem 0;padding:.875rem 1rem;border:1px solid var(--line);border-left-width:.5rem;border-radius:.375rem}
.verdict.good{border-color:var(--good);background:var(--good-back)}
.verdict.bad{border-color:var(--bad);background:var(--bad-back)}
.verdict.warn{border-color:var(--warn);background:var(--warn-back)}
.verdict p{margin:.375rem 0 0}
.verdict p{max-width:60rem}
.verdict .main{display:flex;flex-wrap:wrap;gap:.375rem .75rem;align-items:center;margin:0;font-size:1.125rem;font-weight:600}
.verdict .time,.verdict time,.verdict .dim{color:var(--text)}
.badge{padding:.0625rem .5rem;border:2px solid;border-radius:.25rem;white-space:nowrap}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}
td .good,td .bad,td .warn,td .plain{white-space:nowrap}
.verdict.good,.verdict.bad,.verdict.warn,.verdict.plain{color:inherit}
dl.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(7rem,1fr));gap:.5rem;margin:1rem 0}
dl.tiles div{display:flex;flex-direction:column-reverse;justify-content:flex-end;padding:.5rem .75rem;background:var(--panel);border:1px solid var(--hair);border-radius:.375rem}
dl.tiles dt{color:var(--dim);font-size:.875rem}
dl.tiles dd{margin:0;font-size:1.25rem;font-weight:600;font-variant-numeric:tabular-nums}
dl.facts{display:grid;grid-template-columns:minmax(6rem,max-content) 1fr;gap:.375rem 1.25rem;margin:0}
dl.facts dt{color:var(--dim)}
dl.facts dd{margin:0;min-width:0}
.main span:last-child{flex:1 1 16rem}
#recent{margin:1.25rem 0 .5rem;padding:0;border:0}
nav ul,ul.strip{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin:.75rem 0;padding:0;list-style:none}
nav a{display:inline-block;min-height:1.5rem}
ul.strip{gap:.125rem}
ul.strip li,ul.strip a{display:inline-flex;min-width:1.5rem;min-height:1.5rem;align-items:center;justify-content:center}
ul.strip li{border:1px solid var(--hair);border-radius:.25rem;font-weight:700}
ul.strip .now{border:2px solid var(--text)}
.scroll{position:relative;overflow-x:auto;margin:.5rem 0}
table{width:100%;border-collapse:collapse;font-size:.9375rem}
.hidden,caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
th,td{padding:.375rem .75rem .375rem 0;border-bottom:1px solid var(--hair);text-align:left;vertical-align:top}
thead th{color:var(--dim);font-size:.875rem;font-weight:600;border-bottom-color:var(--line);white-space:nowrap}
th,td,code,pre,dd,li{overflow-wrap:anywhere}
tbody th{font-weight:500;min-width:13rem}
th time{font-weight:400}
td{min-width:5rem}
td.n{min-width:3.5rem}
.w{min-width:11rem}
.was{white-space:normal}
.n{padding-right:1.25rem;text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.long tbody tr{content-visibility:auto;contain-intrinsic-size:auto 2.25rem}
code,pre{font:.875rem/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
pre{margin:.5rem 0;padding:.625rem .75rem;background:var(--panel);border:1px solid var(--hair);border-radius:.375rem;white-space:pre-wrap}
.d{display:inline-block;max-width:11.5em;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;vertical-align:middle}
.was{color:var(--dim)}
button{display:none;vertical-align:middle;min-width:1.5rem;min-height:1.5rem;margin-left:.375rem;padding:0 .5rem;border:1px solid var(--line);border-radius:.25rem;background:var(--back);color:inherit;font:inherit;font-size:.8125rem;cursor:pointer}
.js button{display:inline-block}
search{display:none}
.js search{display:flex;flex-wrap:wrap;gap:.5rem 1.25rem;align-items:center;margin:.5rem 0}
fieldset{display:contents}
legend{float:left;padding:0}
input[type=search]{min-height:2rem;width:min(18rem,100%);padding:.125rem .5rem;border:1px solid var(--line);border-radius:.25rem;background:var(--back);color:inherit;font:inherit}
input[type=radio]{min-width:1rem;min-height:1rem;vertical-align:-.125rem}
search label{display:inline-block;min-height:1.5rem}
summary{min-height:1.5rem;padding:.125rem 0;cursor:pointer}
details{margin:.5rem 0}
.code-point{padding:0 .25em;border:1px solid var(--line);border-radius:.1875rem;font-size:.8em;white-space:nowrap}
figure{margin:.5rem 0}
svg.time-line{display:block;width:100%;font-size:.8125rem}
svg text{fill:var(--text)}
svg .tick{fill:var(--dim)}
svg line{stroke:var(--hair)}
svg rect{fill:var(--bar)}
svg rect.bad{fill:var(--bad)}svg rect.warn{fill:var(--warn)}
footer{margin-top:3rem;padding-top:.75rem;border-top:1px solid var(--hair);color:var(--dim);font-size:.875rem}
@media (max-width:40rem){svg .more{display:none}dl.facts{grid-template-columns:1fr;gap:0}dl.facts dd{margin-bottom:.5rem}.w{min-width:18rem}}
@media (forced-colors:active){.badge,.verdict,.code-point{border-color:CanvasText}svg rect{fill:CanvasText}}
@media print{
:root{color-scheme:light;--back:#fff;--panel:#fff;--text:#000;--dim:#333;--line:#555;--hair:#aaa;--link:#000;--good:#0b4a1e;--bad:#8c0e16;--warn:#5c3a00;--bar:#444;--good-back:#fff;--bad-back:#fff;--warn-back:#fff}
@page{margin:14mm}
body{max-width:none;padding:0;font-size:10pt}
table{font-size:8.5pt}
nav,.skip,.js search,.js button{display:none}
.scroll{overflow:visible}
.long tbody tr{content-visibility:visible}
thead{display:table-header-group}
tr,.verdict{break-inside:avoid}
h2{break-after:avoid}
.d{max-width:none;overflow:visible;white-space:normal}
tbody th,td{min-width:0}
details::details-content{content-visibility:visible!important;display:block!important;block-size:auto!important}
summary{list-style:none}
}
`;
